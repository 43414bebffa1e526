"""Why are two records one customer, or why not; and what would a customer be without one of its identifiers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from customer360.engines.base import Engine
from customer360.identity import alike, decisions, linkage_model
from customer360.identity.explain import mask
from customer360.identity.graph import components
from customer360.identity.path import Record, Step, link_path
from customer360.keys import identifier_key, record_key
from customer360.linkage import score, vetoes
from customer360.linkage.compare import comparisons
from customer360.linkage.learned import Judge
from customer360.linkage.model import sigmoid

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_BITS = 1 / np.log(2)
_BAR = 24  # characters of the longest bar
_NAMED = 5  # records of a part that are named


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two profiles say of each other. `fields`: fields, the values of both (masked unless asked for) and their
    weight in bits, for one person if positive; `relations`: {what the two may be: bits for it against strangers};
    `parted_by`: vetoes that stand."""

    fields: list[tuple[str, str, str, float]]
    relations: dict[str, float]
    probability: float
    parted_by: list[str]


@dataclass(frozen=True, slots=True)
class Part:
    """Records (source, kind and key) of a customer that would still belong together. The part that has the customer's
    founding identifier keeps the id, else the largest."""

    customer_id: int
    has_founder: bool
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """`chain` leads from one record to the other if they are one customer's. `common`: type, value, class and reason
    of the identifiers both carry. `decided`: what people said of these two, newest first."""

    customers: tuple[int, int]
    chain: list[Step]
    common: list[tuple[str, str, str, str]]
    likeness: Likeness | None
    decided: list[str]


def explain_pair(engine: Engine, connection: Connection, one: Record, other: Record, reveal: bool = False) -> Pair:
    """Explain two records of the last run on this engine. Raises ValueError if one has no customer."""
    keys = record_key(*one), record_key(*other)
    with connection.cursor() as cursor:
        decided = decisions.of_pair(cursor, *keys)
    customers = tuple(_customer(engine, key, record) for key, record in zip(keys, (one, other), strict=True))
    return Pair(
        customers=(customers[0], customers[1]),
        chain=link_path(engine, one, other, reveal) if customers[0] == customers[1] else [],
        common=_common(engine, keys, reveal),
        likeness=_likeness(engine, connection, keys, reveal),
        decided=decided,
    )


def without(engine: Engine, connection: Connection, identifier_type: str, value: str) -> list[Part]:
    """What every customer that would fall apart would become if the identifier were blocked: its parts, the one that
    keeps the customer's id first. Raises ValueError where no record carries it.

    What is left to tie are the other identifiers that may link, and likeness. No class is judged anew.
    """
    key = identifier_key(identifier_type, value)
    record, held = engine.qualify("identity", "customer_record"), engine.qualify("intermediate", "identifier")
    rows = engine.read(
        f"""
        select distinct r.record_key, r.customer_id, i.source, i.record_kind, i.identifier_key, k.identifier_class
        from {record} as r
        join {held} as i on r.record_key = i.record_key
        join {engine.qualify("identity", "identifier_class")} as k on i.identifier_key = k.identifier_key
        where r.customer_id in (
            select c.customer_id from {record} as c join {held} as h on c.record_key = h.record_key
            where h.identifier_key = {key}
        )
        """
    ).to_pylist()
    if not rows:
        raise ValueError("no customer's record carries this identifier")
    part_of = _parts(engine, rows, key)
    founded = _founding_anchors(connection, {row["customer_id"] for row in rows})
    parts: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault((row["customer_id"], part_of[row["record_key"]]), []).append(row)
    found = [_part(customer, each, founded.get(customer), key) for (customer, _), each in parts.items()]
    split = {part.customer_id for part in found if sum(part.customer_id == other.customer_id for other in found) > 1}
    found.sort(key=lambda part: (part.customer_id, not part.has_founder, -len(part.records), part.records))
    return [part for part in found if part.customer_id in split]


def _parts(engine: Engine, rows: list[dict[str, Any]], blocked: int) -> dict[int, int]:
    """{record_key: its part} when nothing ties by the identifier that is blocked."""
    ties = [
        (row["record_key"], row["identifier_key"])
        for row in rows
        if row["identifier_class"] in ("private", "shared") and row["identifier_key"] != blocked
    ]
    records = sorted({row["record_key"] for row in rows})
    listed = ", ".join(map(str, records))
    pairs = engine.read(
        f"select record_key_a as a, record_key_b as b from {engine.qualify('identity', 'similarity')}"
        f" where is_link and record_key_a in ({listed}) and record_key_b in ({listed})"
    ).to_pylist()
    for number, pair in enumerate(pairs):
        ties += [(pair["a"], -number - 1), (pair["b"], -number - 1)]
    ties += [(each, each) for each in records]  # a record is a part, if only of itself
    nodes, part = components(np.array([tie[0] for tie in ties]), np.array([tie[1] for tie in ties]))
    return dict(zip(nodes.tolist(), part.tolist(), strict=True))


def _part(customer: int, rows: list[dict[str, Any]], founder: int | None, blocked: int) -> Part:
    names = {row["record_key"]: f"{row['source']} {row['record_kind']} {row['record_key']}" for row in rows}
    anchors = {row["identifier_key"] for row in rows} - {blocked} | set(names)
    return Part(customer, founder in anchors, tuple(names[key] for key in sorted(names)))


def _founding_anchors(connection: Connection, customers: set[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select customer_id, founding_anchor from ops.customer where customer_id = any(%s)", (list(customers),)
        )
        return dict(cursor.fetchall())


def render_without(parts: list[Part]) -> RenderableType:
    """For the terminal: each customer that would fall apart, and into what."""
    if not parts:
        return "Nobody would fall apart."
    customers = {part.customer_id for part in parts}
    table = Table(title=f"{len(customers)} customers would fall into {len(parts)}")
    for column in ("customer", "would be", "records", "among them"):
        table.add_column(column, overflow="fold", justify="right" if column == "records" else "left")
    before = None
    for part in parts:
        is_first = part.customer_id != before
        would_be = "the same" if is_first else "a new customer"
        named = ", ".join(part.records[:_NAMED]) + (" …" if len(part.records) > _NAMED else "")
        table.add_row(str(part.customer_id) if is_first else "", would_be, str(len(part.records)), named)
        before = part.customer_id
    return table


def _customer(engine: Engine, key: int, record: Record) -> int:
    rows = engine.read(
        f"select customer_id from {engine.qualify('identity', 'customer_record')} where record_key = {key}"
    )
    if not rows.num_rows:
        raise ValueError(f"record {'/'.join(record)} has no customer")
    return int(rows.column(0)[0].as_py())


def _common(engine: Engine, keys: tuple[int, int], reveal: bool) -> list[tuple[str, str, str, str]]:
    held = engine.qualify("intermediate", "identifier")
    rows = engine.read(
        f"""
        select distinct i.identifier_type, i.identifier_value, k.identifier_class, k.reason
        from {held} as i
        join {held} as o on i.identifier_key = o.identifier_key and o.record_key = {keys[1]}
        join {engine.qualify("identity", "identifier_class")} as k on i.identifier_key = k.identifier_key
        where i.record_key = {keys[0]}
        order by 1, 2
        """
    ).to_pylist()
    return [
        (row["identifier_type"], mask(row["identifier_value"], reveal), row["identifier_class"], row["reason"])
        for row in rows
    ]


def _likeness(engine: Engine, connection: Connection, keys: tuple[int, int], reveal: bool) -> Likeness | None:
    """None where there is no model, or one of the two is no contact record of a person."""
    with connection.cursor() as cursor:
        newest = linkage_model.newest(cursor)
        learned = linkage_model.load(cursor, newest[0]) if newest else None
    profile = engine.qualify("identity", "record_profile")
    listed = ", ".join(map(str, keys))
    if learned is None:
        return None
    rows = engine.read(f"select * from {profile} where record_key in ({listed}) order by record_key")
    if rows.num_rows < len(set(keys)) or keys[0] == keys[1]:
        return None
    with engine.workspace({}) as workspace:
        workspace.register("two_profiles", rows)
        workspace.execute(
            "create or replace temp table profile as"
            " select (row_number() over (order by record_key) - 1)::bigint as row, * from two_profiles"
        )
        vetoes.prepare(workspace, alike.FIELDS)
        left, right = np.array([0]), np.array([1])
        judge = Judge(workspace, learned)
        levels = score.levels(workspace, left, right, comparisons(learned.fields))
        odds = judge.score(left, levels)
        return Likeness(
            fields=_fields(judge.weights(left, levels), *rows.to_pylist(), reveal=reveal),
            relations={name: float(said[0]) * _BITS for name, said in judge.explanations(left, levels).items()},
            probability=float(sigmoid(odds)[0]),
            parted_by=vetoes.standing(workspace, alike.FIELDS, alike.LAYOUT.vetoes),
        )


def _fields(weights: Any, one: Any, other: Any, *, reveal: bool) -> list[tuple[str, str, str, float]]:
    found = []
    for fields, said in weights.items():
        values = [" ".join(mask(row[name], reveal) for name in fields if row[name]) for row in (one, other)]
        if any(values):
            found.append((", ".join(fields).replace("_", " "), values[0], values[1], float(said[0]) * _BITS))
    return sorted(found, key=lambda field: (-field[3], field[0]))


def render(pair: Pair) -> RenderableType:
    """For the terminal: the chain or what is missing, then the weights as bars."""
    one, other = pair.customers
    if one == other:
        head = f"one customer: {one}"
        parts: list[RenderableType] = [head, _chain(pair.chain)]
    else:
        parts = [f"two customers: {one} and {other}", _common_table(pair.common)]
    if pair.likeness is not None:
        parts += [_chart(pair.likeness), _verdict(pair.likeness)]
    elif one != other:
        parts.append("Their profiles were not compared: one is no person's contact record, or no model was learnt yet.")
    return Group(*parts, *pair.decided)


def _chain(steps: list[Step]) -> Table:
    table = Table(title="What leads from one to the other")
    for column in ("from record", "by", "class", "why", "to record"):
        table.add_column(column, overflow="fold")
    for step in steps:
        by = f"{step.identifier_type} {step.identifier_value}" if step.identifier_type else "their profiles"
        table.add_row(str(step.from_record), by, step.identifier_class, step.reason, str(step.to_record))
    return table


def _common_table(common: list[tuple[str, str, str, str]]) -> RenderableType:
    if not common:
        return "They carry no identifier in common."
    table = Table(title="What both carry does not link them")
    for column in ("type", "value", "class", "why"):
        table.add_column(column, overflow="fold")
    for row in common:
        table.add_row(*row)
    return table


def _chart(likeness: Likeness) -> Table:
    longest = max((abs(weight) for *_, weight in likeness.fields), default=1.0) or 1.0
    table = Table(title="What their profiles say, in bits for one person")
    for column in ("field", "one", "other"):
        table.add_column(column, overflow="fold")
    table.add_column("bits", justify="right")
    table.add_column("")
    for name, one, other, weight in likeness.fields:
        bar = "█" * round(abs(weight) / longest * _BAR)
        table.add_row(name, one, other, f"{weight:+.1f}", f"[{'green' if weight > 0 else 'red'}]{bar}[/]")
    return table


def _verdict(likeness: Likeness) -> str:
    told = ", ".join(f"{name} {bits:+.1f}" for name, bits in sorted(likeness.relations.items(), key=lambda r: -r[1]))
    parted = f"; parted by {', '.join(likeness.parted_by)}" if likeness.parted_by else ""
    found = f"One person: {likeness.probability:.4f}{parted}."
    return f"Against strangers, in bits, how rare each is included: {told}. {found}"
