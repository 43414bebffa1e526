"""`c360 review`, `c360 link`, `c360 unmerge`: what people decide about who is who."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from customer360.engines.base import Engine
    from customer360.identity.decisions import Decision
    from customer360.identity.side_by_side import Profile

out = Console()
app = typer.Typer(
    invoke_without_command=True,
    help="Pairs of records that may be one person's: list them, look at one, decide.",
)
_VERDICTS = {"same": "must_link", "different": "cannot_link"}

Reviewer = Annotated[str, typer.Option("--reviewer", help="Who decides; the account's name by default.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Records = Annotated[list[str], typer.Argument(help="Records: a record_key, or source/kind/id as in crm/contact/K1.")]
_BY_DEFAULT = os.environ.get("USER", "")


@app.callback()
def review(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="Likeliest shown.")] = 20,
    audit: Annotated[bool, typer.Option("--audit", help="Only those drawn at random for the audit.")] = False,
) -> None:
    """Without a command: the pairs that wait."""
    if context.invoked_subcommand is not None:
        return
    from customer360.identity import review as queue
    from customer360.identity.side_by_side import customers_of

    with _opened() as (engine, connection):
        with connection.cursor() as cursor:
            waiting = queue.open_pairs(cursor, limit, audit=audit or None)
        records = [record for each in waiting for record in (each.record_key_a, each.record_key_b)]
        of = customers_of(engine, records)
    table = Table(title="Pairs to review", caption="c360 review show ID, then c360 review decide ID same|different")
    for name in ("id", "probability", "raised by", "night (UTC)", "customers"):
        table.add_column(name, overflow="fold")
    for each in waiting:
        table.add_row(
            str(each.review_id),
            "" if each.probability is None else f"{each.probability:.2f}",
            each.reason,
            f"{each.as_of:%Y-%m-%d %H:%M}",
            " and ".join(str(of.get(record, "none")) for record in (each.record_key_a, each.record_key_b)),
        )
    out.print(table)


@app.command()
def show(
    review_id: Annotated[int, typer.Argument(metavar="ID")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show values in clear.")] = False,
) -> None:
    """Both records of a pair side by side."""
    from customer360.identity import review as queue
    from customer360.identity.side_by_side import compare, profiles, render

    with _opened() as (engine, connection):
        with connection.cursor() as cursor:
            asked = queue.find(cursor, review_id)
        found = profiles(engine, (asked.record_key_a, asked.record_key_b))
    out.print(render(asked, compare(found.get(asked.record_key_a), found.get(asked.record_key_b), reveal)))


@app.command()
def decide(
    review_id: Annotated[int, typer.Argument(metavar="ID")],
    verdict: Annotated[str, typer.Argument(metavar="same|different")],
    reason: Reason,
    reviewer: Reviewer = _BY_DEFAULT,
) -> None:
    """Decide about a pair: one person, or two. It counts from the next night."""
    from customer360.identity import review as queue

    if verdict not in _VERDICTS:
        raise ValueError(f"a verdict is same or different, not {verdict}")
    with _opened(needs_engine=False) as (_, connection):
        with connection.cursor() as cursor:
            taken = queue.answer(cursor, review_id, _VERDICTS[verdict], reviewer, reason)
        connection.commit()
    _print([taken])


def link(records: Records, reason: Reason, reviewer: Reviewer = _BY_DEFAULT) -> None:
    """Records are one person's, whatever else says (must_link). It counts from the next night."""
    with _opened() as (engine, connection):
        first, *others = _profiles(engine, records)
        if not others:
            raise ValueError("name two records or more")
        pairs = [(first.record_key, other.record_key) for other in others]
        taken = _decide(connection, "must_link", pairs, reviewer, reason)
    _print(taken)


def unmerge(records: Records, reason: Reason, reviewer: Reviewer = _BY_DEFAULT) -> None:
    """The first record is not the others' person (cannot_link); named alone, not its customer's.

    It leaves; what its customer has beside it stays. It counts from the next night.
    """
    from customer360.identity.side_by_side import companions

    with _opened() as (engine, connection):
        leaving, *others = _profiles(engine, records)
        keys = [other.record_key for other in others] or companions(engine, leaving)
        pairs = [(leaving.record_key, key) for key in keys]
        taken = _decide(connection, "cannot_link", pairs, reviewer, reason, leaving.record_key)
    _print(taken)


def _decide(
    connection: Any,
    kind: str,
    pairs: list[tuple[int, int]],
    reviewer: str,
    reason: str,
    leaving: int | None = None,
) -> list[Decision]:
    from customer360.identity import review as queue

    with connection.cursor() as cursor:
        taken = [queue.decide(cursor, kind, *pair, reviewer, reason, leaving=leaving) for pair in pairs]
    connection.commit()
    return taken


def _profiles(engine: Engine, records: list[str]) -> list[Profile]:
    """Profiles of the records that were named. Raises ValueError for one that the last night did not see."""
    from customer360.identity.side_by_side import profiles

    keys = [_record(text) for text in records]
    found = profiles(engine, keys)
    for text, key in zip(records, keys, strict=True):
        if key not in found:
            raise ValueError(f"no record {text} in the last night")
    return [found[key] for key in keys]


def _record(text: str) -> int:
    """`record_key` of '-123' or 'crm/contact/K1'."""
    from customer360.identity.explain import record
    from customer360.keys import record_key

    try:
        return int(text)
    except ValueError:
        return record_key(*record(text))


def _print(taken: list[Decision]) -> None:
    for each in taken:
        overrules = ", ".join(str(number) for number in each.overrules)
        out.print(f"decision {each.decision_id}{f', which overrules {overrules}' if overrules else ''}")
    out.print("it counts from the next night")


@contextmanager
def _opened(needs_engine: bool = True) -> Iterator[tuple[Any, Any]]:
    """The engine (None if not needed) and a connection to a migrated database."""
    from customer360.engines import open_engine
    from customer360.ops import migrate
    from customer360.postgres import connect
    from customer360.settings import Settings

    settings = Settings.from_env()
    with connect(settings, application_name="c360 review") as connection:
        migrate(connection)
        if not needs_engine:
            yield None, connection
            return
        with open_engine(settings) as engine:
            if not engine.has("identity", "customer_record"):
                raise ValueError("no night was built on this engine yet")
            yield engine, connection
