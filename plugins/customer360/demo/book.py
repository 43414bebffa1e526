"""The book of truth: whose each delivered record really is, which phenomena it shows, what was really bought.

Written as CSV beside the landing area, never into it: `persons`, `records`, `phenomena`, `orders`, `sources`.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from customer360.demo.campaigns import CAMPAIGNS
from customer360.demo.people import Person

Key = tuple[str, str, str]  # source, record_kind, source_record_id
CANCELLED = "Cancelled"  # status of an order that was called off
KNOWN_BY = frozenset({"contact", "user", "form"})  # kinds of record that tell who somebody is


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order as the company delivered, or did not deliver, it. Instants are UTC."""

    person_id: int
    amount: Decimal  # EUR
    ordered_at: datetime
    delivered_at: datetime | None
    status: str


@dataclass
class Book:
    """Filled by the formats while they write. Noting the same record again changes nothing but its phenomena."""

    records: dict[Key, tuple[int | None, int]] = field(default_factory=dict)  # (person or nobody, first night)
    phenomena: dict[tuple[str, Key], None] = field(default_factory=dict)
    orders: dict[Key, Purchase] = field(default_factory=dict)
    spend: dict[tuple[str, date], int] = field(default_factory=dict)  # cents by campaign and day

    def note(self, key: Key, person: Person | None, night: int, phenomena: Iterable[str]) -> None:
        self.records.setdefault(key, (person.person_id if person else None, night))
        for phenomenon in phenomena:
            self.phenomena[phenomenon, key] = None

    def write(self, folder: Path, people: Sequence[Person]) -> None:
        """Write the five tables as they stand."""
        folder.mkdir(parents=True, exist_ok=True)
        _table(folder / "records.csv", "source record_kind source_record_id person_id night",
               ((*key, _blank(person), night) for key, (person, night) in self.records.items()))  # fmt: skip
        _table(folder / "phenomena.csv", "phenomenon source record_kind source_record_id",
               ((phenomenon, *key) for phenomenon, key in self.phenomena))  # fmt: skip
        _table(folder / "orders.csv",
               "source record_kind source_record_id person_id amount ordered_at delivered_at status",
               ((*key, each.person_id, each.amount, each.ordered_at.isoformat(),
                 each.delivered_at.isoformat() if each.delivered_at else "", each.status)
                for key, each in self.orders.items()))  # fmt: skip
        _table(folder / "persons.csv",
               "person_id kind acquisition_source campaign arrived_at household account phenomena",
               (_person(person) for person in people))  # fmt: skip
        _table(folder / "sources.csv",
               "acquisition_source campaign persons identified buyers orders revenue spend", self._sources(people))  # fmt: skip

    def _sources(self, people: Sequence[Person]) -> Iterable[Sequence[object]]:
        """What each campaign truly brought, cancelled orders left out."""
        by_person: dict[int, list[Purchase]] = defaultdict(list)
        for order in self.orders.values():
            if order.status != CANCELLED:
                by_person[order.person_id].append(order)
        known = {person for (_, kind, _), (person, _) in self.records.items() if kind in KNOWN_BY}
        cents: Counter[str] = Counter()
        for (name, _), spent in self.spend.items():
            cents[name] += spent
        for campaign in CAMPAIGNS:
            brought = [person.person_id for person in people if person.campaign is campaign]
            orders = [order for person in brought for order in by_person.get(person, ())]
            yield (campaign.acquisition_source, campaign.name, len(brought), sum(each in known for each in brought),
                   sum(each in by_person for each in brought), len(orders), sum((each.amount for each in orders), Decimal(0)),
                   Decimal(cents[campaign.name]) / 100)  # fmt: skip


def _person(person: Person) -> Sequence[object]:
    kind = "business" if person.account else "private"
    account = person.account.account_id if person.account else ""
    return (person.person_id, kind, person.campaign.acquisition_source, person.campaign.name, person.arrives.isoformat(),
            _blank(person.household), account, " ".join(person.notes))  # fmt: skip


def _blank(value: int | None) -> object:
    return "" if value is None else value


def _table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header.split())
        writer.writerows(rows)
