"""What truly brought the demo company's conversions, beside what each attribution model credits with them.

The truth is the campaign by which a person first came, whether it left a trace or not; every conversion of the person
counts under its acquisition source. Models answer a wider question, what contributed: only `first` asks the same.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from customer360.demo.book import CANCELLED, KNOWN_BY, Key
from customer360.marketing.comparison import UNATTRIBUTED, Comparison, compare
from customer360.marketing.reading import Snapshot, snapshot
from customer360.settings import Settings

IDENTIFIED, ORDER = "identified", "order"


@dataclass(frozen=True, slots=True)
class CreditTruth:
    """Conversions of one set by acquisition source: `true` ones, and those that each model credits."""

    conversion_set: str
    true: Mapping[str, int]
    credited: Mapping[str, Mapping[str, Decimal]]  # by model, then source
    hits: Mapping[str, Decimal]  # by model: conversions that went to their own true source, told one by one

    @property
    def sources(self) -> list[str]:
        """Every source of either, the one that truly brought most first, `unattributed` last."""
        found = {*self.true, *(source for each in self.credited.values() for source in each), UNATTRIBUTED}
        return sorted(found, key=lambda source: (source == UNATTRIBUTED, -self.true.get(source, 0), source))

    @property
    def conversions(self) -> int:
        """How many there truly were."""
        return sum(self.true.values())

    def total(self, model: str) -> Decimal:
        """All that a model credits, also to nobody."""
        return sum(self.credited[model].values(), Decimal())

    def error(self, model: str) -> Decimal:
        """Conversions by which the sources are off, too many and too few added up."""
        given = self.credited[model]
        return sum((abs(given.get(source, Decimal()) - self.true.get(source, 0)) for source in self.sources), Decimal())

    def misplaced(self, model: str) -> Decimal:
        """Share of the conversions that stand with a wrong source, 0 to 1: half the error, of what there is."""
        whole = self.total(model) + self.conversions
        return self.error(model) / whole if whole else Decimal()

    def hit(self, model: str) -> Decimal | None:
        """Share of the conversions that the model gives to their own true source; None where it tells no single one."""
        return self.hits[model] / self.conversions if model in self.hits and self.conversions else None


def credit_truths(settings: Settings, truth: Path) -> list[CreditTruth]:
    """What is served now beside the truth in folder `truth`: people who became known, and orders."""
    orders = true_orders(truth)
    with snapshot(settings, "c360 demo truth") as data:
        return [
            CreditTruth(IDENTIFIED, true_identified(truth), _credited(data, IDENTIFIED), {}),
            CreditTruth(ORDER, Counter(orders.values()), _credited(data, ORDER), hits(orders, _shares(data))),
        ]


def true_orders(truth: Path) -> dict[Key, str]:
    """True acquisition source of each order that was not called off."""
    sources = _sources(truth)
    return {
        (row["source"], row["record_kind"], row["source_record_id"]): sources[row["person_id"]]
        for row in _rows(truth / "orders.csv")
        if row["status"] != CANCELLED
    }


def true_identified(truth: Path) -> Counter[str]:
    """Persons by true acquisition source of whom a record tells who they are."""
    sources = _sources(truth)
    known = {row["person_id"] for row in _rows(truth / "records.csv") if row["record_kind"] in KNOWN_BY}
    return Counter(sources[person] for person in known - {""})


def hits(
    true: Mapping[Key, str], shares: Iterable[tuple[Key, str | None, Mapping[str, Decimal]]]
) -> dict[str, Decimal]:
    """By model, the conversions that went to their own true source. `shares`: conversion, source, {model: share}."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for key, source, given in shares:
        for model, share in given.items():
            found[model] += share if source and true.get(key) == source else 0
    return dict(found)


def _credited(data: Snapshot, conversion_set: str) -> dict[str, dict[str, Decimal]]:
    found: Comparison = compare(data, "acquisition", conversion_set, "conversions")
    lines = (*found.lines, found.unattributed)
    return {model: {line.label: line.values[place] for line in lines} for place, model in enumerate(found.models)}


def _shares(data: Snapshot) -> list[tuple[Key, str | None, Mapping[str, Decimal]]]:
    """Each order's shares by acquisition source; of Markov there are none, it splits whole months."""
    columns = [
        name
        for (name,) in data.ask(
            "select column_name from information_schema.columns where table_schema = 'serving'"
            " and table_name = 'attribution_credit' and starts_with(column_name, 'credit_') order by 1"
        )
        if not name.endswith(("_source", "_campaign"))
    ]
    summed = ", ".join(f"sum(c.conversions * c.{name})" for name in columns)
    rows = data.ask(
        f"select m.source, m.record_kind, m.source_record_id, o.acquisition_source, {summed}"
        " from serving.attribution_credit c join serving.customer_identity_map m on m.record_key = c.conversion_key"
        " left join serving.attribution_origins o using (origin_id) where c.conversion_set = %s group by 1, 2, 3, 4",
        (ORDER,),
    )
    models = [name.removeprefix("credit_") for name in columns]
    return [((row[0], row[1], row[2]), row[3], dict(zip(models, row[4:], strict=True))) for row in rows]


def _sources(truth: Path) -> dict[str, str]:
    return {row["person_id"]: row["acquisition_source"] for row in _rows(truth / "persons.csv")}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
