"""Two records next to each other, as a reviewer sees them: in a terminal, or as Markdown in Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table

from customer360.engines.base import Engine
from customer360.identity.explain import mask
from customer360.identity.review import Review

_FACTS = (
    *("given_name", "family_name", "full_name", "birth_date", "organisation", "job_title", "address_line"),
    *("postal_code", "city", "region", "country", "account_ref", "owner", "created_at", "observed_at"),
)
_CONTACTS = ("channel", "direction", "name_hint", "occurred_at")
_OPEN = frozenset({"source", "kind", "customer", "channel", "direction", "created_at", "observed_at", "occurred_at"})


@dataclass(frozen=True, slots=True)
class Profile:
    """One record in the clear. `facts`: {field: value} of its newest version; `identifiers`: (type, value)."""

    record_key: int
    customer_id: int | None
    source: str
    kind: str
    record_id: str
    facts: dict[str, str]
    identifiers: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the comparison, masked unless asked for. `alike`: "same", "differs", or "" if one says nothing."""

    field: str
    left: str
    right: str
    alike: str


def profiles(engine: Engine, records: Iterable[int]) -> dict[int, Profile]:
    """{record_key: profile} of those of the records that the engine's lake holds."""
    keys = ", ".join(str(int(record)) for record in sorted(set(records)))
    if not keys:
        return {}
    stated = engine.read(_newest(engine, "contact_record", "record_kind", _FACTS, keys)).to_pylist()
    stated += engine.read(_newest(engine, "interaction", "'interaction'", _CONTACTS, keys)).to_pylist()
    for entity in ("opportunity", "sales_order"):
        stated += engine.read(_newest(engine, entity, f"'{entity}'", (), keys)).to_pylist()
    carried: dict[int, set[tuple[str, str]]] = {}
    for row in engine.read(
        "select distinct record_key, identifier_type, identifier_value"
        f" from {engine.qualify('lake', 'identifier')} where record_key in ({keys})"
    ).to_pylist():
        carried.setdefault(row["record_key"], set()).add((row["identifier_type"], row["identifier_value"]))
    customers = customers_of(engine, (row["record_key"] for row in stated))
    return {
        row["record_key"]: Profile(
            record_key=row["record_key"],
            customer_id=customers.get(row["record_key"]),
            source=row["source"],
            kind=row["kind"],
            record_id=row["source_record_id"],
            facts={name: str(row[name]) for name in (*_FACTS, *_CONTACTS) if row.get(name) is not None},
            identifiers=frozenset(carried.get(row["record_key"], ())),
        )
        for row in stated
    }


def customers_of(engine: Engine, records: Iterable[int]) -> dict[int, int]:
    """{record_key: customer_id} of those of the records that were a customer's in the last night."""
    keys = ", ".join(str(int(record)) for record in sorted(set(records)))
    if not keys:
        return {}
    rows = engine.read(
        f"select record_key, customer_id from {engine.qualify('identity', 'customer_record')}"
        f" where record_key in ({keys})"
    )
    return dict(zip(*(rows.column(name).to_pylist() for name in ("record_key", "customer_id")), strict=True))


def companions(engine: Engine, profile: Profile) -> list[int]:
    """Records by which to part one from the rest of its customer: the customer's other contact records; if there
    are none, one of its other records. Raises ValueError if there is no other."""
    if profile.customer_id is None:
        raise ValueError("the record has no customer")
    contacts = f"select record_key from {engine.qualify('lake', 'contact_record')}"
    rows = engine.read(
        f"select record_key, record_key in ({contacts}) as is_contact"
        f" from {engine.qualify('identity', 'customer_record')}"
        f" where customer_id = {profile.customer_id} and record_key <> {profile.record_key} order by record_key"
    ).to_pylist()
    if not rows:
        raise ValueError("the record is its customer's only one")
    return [row["record_key"] for row in rows if row["is_contact"]] or [rows[0]["record_key"]]


def compare(left: Profile | None, right: Profile | None, reveal: bool = False) -> list[Line]:
    """The two profiles field by field; a record that is gone says nothing."""
    one, other = _said(left), _said(right)
    order = ("customer", "source", "kind", "record", *_FACTS, *_CONTACTS)
    lines = [
        Line(name, _shown(name, one.get(name), reveal), _shown(name, other.get(name), reveal), _alike(one, other, name))
        for name in order
        if name in one or name in other
    ]
    mine = left.identifiers if left else frozenset()
    yours = right.identifiers if right else frozenset()
    for kind, value in sorted(mine | yours):
        shown = mask(value, reveal)
        is_mine, is_yours = (kind, value) in mine, (kind, value) in yours
        both = "same" if is_mine and is_yours else ""
        lines.append(Line(kind, shown if is_mine else "", shown if is_yours else "", both))
    return lines


def render(asked: Review, lines: Sequence[Line]) -> RenderableType:
    """For the terminal."""
    table = Table(title="The two records")
    for name in ("field", str(asked.record_key_a), str(asked.record_key_b), ""):
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(line.field, line.left, line.right, line.alike)
    return Group(heading(asked), table)


def markdown(asked: Review, lines: Sequence[Line]) -> str:
    """For a task that asks in Airflow."""
    rows = [f"| {line.field} | {_cell(line.left)} | {_cell(line.right)} | {line.alike} |" for line in lines]
    return "\n".join([heading(asked), "", "| field | one | other | |", "|---|---|---|---|", *rows])


def heading(asked: Review) -> str:
    """What was asked, why, and what became of it."""
    likely = "" if asked.probability is None else f", probability {asked.probability:.2f}"
    decided = "" if asked.decision_id is None else f", {asked.status} by decision {asked.decision_id}"
    return f"review {asked.review_id}: {asked.reason}{likely}, night {asked.as_of:%Y-%m-%d %H:%M} UTC{decided}"


def _newest(engine: Engine, entity: str, kind: str, columns: Sequence[str], keys: str) -> str:
    """The newest version of each record, by what its source or the night that loaded it says."""
    dated = {"contact_record": "coalesce(observed_at, created_at, loaded_as_of)", "interaction": "loaded_as_of"}
    listed = ", ".join(["record_key", "source", "source_record_id", f"{kind} as kind", *columns])
    return f"""
        select * from (
            select {listed}, row_number() over (
                partition by record_key
                order by {dated.get(entity, "loaded_as_of")} desc, loaded_as_of desc, batch_id desc, row_number desc
            ) as version
            from {engine.qualify("lake", entity)} where record_key in ({keys})
        ) as versions
        where version = 1
    """


def _said(profile: Profile | None) -> dict[str, str]:
    if profile is None:
        return {}
    head = {"source": profile.source, "kind": profile.kind, "record": profile.record_id}
    if profile.customer_id is not None:
        head["customer"] = str(profile.customer_id)
    return head | profile.facts


def _shown(field: str, value: str | None, reveal: bool) -> str:
    if value is None:
        return ""
    if field in _OPEN:
        return value
    return " ".join(mask(word, reveal) for word in value.split(" "))


def _alike(one: dict[str, str], other: dict[str, str], field: str) -> str:
    if field not in one or field not in other:
        return ""
    return "same" if one[field].casefold() == other[field].casefold() else "differs"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
