"""Small tables for the identity step, and its answers in terms of the tests' own record names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from customer360.identity.registry import ALIASES, ASSIGNMENTS, CUSTOMERS
from customer360.identity.resolve import resolve_tables
from customer360.keys import identifier_key, record_key
from customer360.linkage.learned import Learned
from customer360.sources import OwnIdentities

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
OWN = OwnIdentities(
    domains=frozenset({"us.example.com"}), phones=frozenset({"+493023125000"}), phone_prefixes=("+4930231251",)
)
PERSON_KINDS = ("contact", "lead", "form", "user")
Identifier = tuple[str, str]


@dataclass(frozen=True)
class Rec:
    """One record. `name` is a fact on contact records, a hint on interactions; `day` counts back from NIGHT."""

    id: str
    kind: str
    identifiers: Sequence[Identifier]
    name: str | None = None
    given: str | None = None
    family: str | None = None
    born: date | None = None
    day: float = 50
    source: str = "s"
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    organisation: str | None = None

    @property
    def key(self) -> int:
        return record_key(self.source, self.kind, self.id)

    @property
    def seen(self) -> datetime:
        return (NIGHT - timedelta(days=self.day)).replace(tzinfo=None)


@dataclass
class Registry:
    """What `registry.before` would give: assignments, customers, aliases of the nights so far."""

    assignments: pa.Table = field(default_factory=ASSIGNMENTS.empty_table)
    customers: pa.Table = field(default_factory=CUSTOMERS.empty_table)
    aliases: pa.Table = field(default_factory=ALIASES.empty_table)

    def after(self, changes: dict[str, pa.Table], night: datetime) -> Registry:
        closed = set(changes["closed"].column("anchor").to_pylist())
        kept = [row for row in self.assignments.to_pylist() if row["anchor"] not in closed]
        opened = changes["opened"].to_pylist()
        created = [row | {"created_as_of": night} for row in changes["created"].to_pylist()]
        aliases = [row | {"merged_as_of": night} for row in changes["aliases"].to_pylist()]
        return Registry(
            pa.Table.from_pylist(kept + opened, ASSIGNMENTS),
            pa.Table.from_pylist(self.customers.to_pylist() + created, CUSTOMERS),
            pa.Table.from_pylist(self.aliases.to_pylist() + aliases, ALIASES),
        )


@dataclass
class Answer:
    """`of[record id]` is its customer, None if nobody's; `tables` and `changes` as the step gives them."""

    of: dict[str, int | None]
    tables: dict[str, pa.Table]
    changes: dict[str, pa.Table]

    def verdict(self, identifier: Identifier) -> str:
        rows = self.tables["identifier_class"].to_pylist()
        (found,) = (row for row in rows if row["identifier_key"] == identifier_key(*identifier))
        return f"{found['identifier_class']} {found['reason']}"

    def kind(self, record: str) -> str:
        rows = self.tables["customer"].to_pylist()
        (found,) = (row["customer_kind"] for row in rows if row["customer_id"] == self.of[record])
        return str(found)

    def events(self) -> list[dict[str, object]]:
        return list(self.changes["events"].to_pylist())

    def groups(self) -> set[frozenset[str]]:
        found: dict[int, set[str]] = {}
        for record, customer in self.of.items():
            if customer is not None:
                found.setdefault(customer, set()).add(record)
        return {frozenset(group) for group in found.values()}


def resolve(
    records: Sequence[Rec],
    registry: Registry | None = None,
    night: datetime = NIGHT,
    learned: Learned | None = None,
    decided: pa.Table | None = None,
) -> Answer:
    before = registry or Registry()
    known = (before.assignments, before.customers, before.aliases)
    tables, changes = resolve_tables(inputs(records), *known, night, OWN, learned=learned, decided=decided)
    rows = tables["customer_record"].to_pylist()
    customers = {row["record_key"]: row["customer_id"] for row in rows}
    assert len(customers) == len(rows)
    return Answer({record.id: customers.get(record.key) for record in records}, tables, changes)


def inputs(records: Sequence[Rec]) -> dict[str, pa.Table]:
    """The inputs of the identity step, as dbt makes them."""
    uses: dict[int, list[tuple[Identifier, Rec]]] = {}
    for record in records:
        for identifier in dict.fromkeys(record.identifiers):
            uses.setdefault(identifier_key(*identifier), []).append((identifier, record))
    facts = [
        {
            "identifier_key": key,
            "identifier_type": found[0][0][0],
            "identifier_value": found[0][0][1],
            "is_valid": "@bad" not in found[0][0][1],
            "record_count": len(found),
            "person_record_count": sum(record.kind in PERSON_KINDS for _, record in found),
            "account_record_count": sum(record.kind == "account" for _, record in found),
            "first_seen_at": min(record.seen for _, record in found),
            "last_seen_at": max(record.seen for _, record in found),
        }
        for key, found in uses.items()
    ]
    links = [
        {
            "record_key": record.key,
            "identifier_key": key,
            "record_kind": record.kind,
            "source": record.source,
            "seen_at": record.seen,
        }
        for key, found in uses.items()
        for _, record in found
    ]
    named = [
        {
            "record_key": record.key,
            "record_kind": record.kind,
            "source": record.source,
            "given_name": record.given,
            "family_name": record.family,
            "full_name": None if record.kind == "interaction" else record.name,
            "name_hint": record.name if record.kind == "interaction" else None,
            "organisation": record.organisation,
            "birth_date": record.born,
            "seen_at": record.seen,
        }
        for record in records
        if record.kind in (*PERSON_KINDS, "account") or record.name
    ]
    profiles = [
        {
            "record_key": record.key,
            "given_name": record.given,
            "family_name": record.family,
            "full_name": record.name,
            "birth_date": record.born,
            "address_line": record.street,
            "postal_code": record.postcode,
            "city": record.city,
            "organisation": record.organisation,
            "email": min((value for kind, value in record.identifiers if kind == "email"), default=None),
            "phone": min((value for kind, value in record.identifiers if kind == "phone"), default=None),
        }
        for record in records
        if record.kind in PERSON_KINDS
    ]
    return {
        "identifiers": pa.Table.from_pylist(facts, IDENTIFIERS),
        "record_identifiers": pa.Table.from_pylist(links, RECORD_IDENTIFIERS),
        "record_names": pa.Table.from_pylist(named, RECORD_NAMES),
        "record_references": RECORD_REFERENCES.empty_table(),
        "record_profiles": pa.Table.from_pylist(profiles, RECORD_PROFILES),
    }


_STAMP = pa.timestamp("us")
IDENTIFIERS = pa.schema(
    [
        ("identifier_key", pa.int64()),
        ("identifier_type", pa.string()),
        ("identifier_value", pa.string()),
        ("is_valid", pa.bool_()),
        ("record_count", pa.int64()),
        ("person_record_count", pa.int64()),
        ("account_record_count", pa.int64()),
        ("first_seen_at", _STAMP),
        ("last_seen_at", _STAMP),
    ]
)
RECORD_IDENTIFIERS = pa.schema(
    [
        ("record_key", pa.int64()),
        ("identifier_key", pa.int64()),
        ("record_kind", pa.string()),
        ("source", pa.string()),
        ("seen_at", _STAMP),
    ]
)
RECORD_REFERENCES = pa.schema([("record_key", pa.int64()), ("reference", pa.string())])
RECORD_PROFILES = pa.schema(
    [
        ("record_key", pa.int64()),
        *((name, pa.string()) for name in ("given_name", "family_name", "full_name")),
        ("birth_date", pa.date32()),
        *((name, pa.string()) for name in ("address_line", "postal_code", "city", "region", "organisation")),
        *((name, pa.string()) for name in ("email", "phone")),
    ]
)
RECORD_NAMES = pa.schema(
    [
        ("record_key", pa.int64()),
        ("record_kind", pa.string()),
        ("source", pa.string()),
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("full_name", pa.string()),
        ("organisation", pa.string()),
        ("name_hint", pa.string()),
        ("birth_date", pa.date32()),
        ("account_ref", pa.string()),
        ("seen_at", _STAMP),
    ]
)
