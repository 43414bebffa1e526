"""What was published, held against what the demo company knows to be true."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from customer360.postgres import connect
from customer360.settings import Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer: a figure, and what it is a share of."""

    question: str
    figure: str
    of: str


@dataclass(frozen=True, slots=True)
class PairScore:
    """Pairs of records: of those the pipeline calls one person, and of those that are, the shares both say."""

    precision: float
    recall: float
    records: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was published, measured by the truth."""

    attached: int  # records of a known person that have a customer
    records: int  # all records of a known person
    pairs: PairScore
    sources_true: int  # customers whose first tracked source is the true one
    sources: int  # customers that are one person and have a tracked source

    def verdicts(self) -> list[Verdict]:
        """Lines of the demo's closing table."""
        of_records = f"{self.pairs.records:,} records"
        return [
            Verdict("records of a known person that have a customer", f"{self.attached:,}", f"{self.records:,}"),
            Verdict("pairs of records called one person that are (precision)", f"{self.pairs.precision:.4f}", of_records),
            Verdict("pairs of records of one person that are found (recall)", f"{self.pairs.recall:.4f}", of_records),
            Verdict("customers whose first tracked source is the true one", f"{self.sources_true:,}", f"{self.sources:,}"),
        ]  # fmt: skip


def judge(settings: Settings, truth: Path) -> Judgement:
    """Hold what is served now against the truth in folder `truth`."""
    persons = record_persons(truth)
    found = {record: customer for record, customer in served_customers(settings).items() if record in persons}
    pairs = pair_score({record: persons[record] for record in found}, found)
    return Judgement(len(found), len(persons), pairs, *first_touch_agreement(settings, truth, persons, found))


def record_persons(truth: Path) -> dict[tuple[str, str, str], int]:
    """True person of each record that has one: {(source, record_kind, source_record_id): person_id}."""
    with (truth / "records.csv").open(encoding="utf-8", newline="") as rows:
        return {
            (row["source"], row["record_kind"], row["source_record_id"]): int(row["person_id"])
            for row in csv.DictReader(rows)
            if row["person_id"]
        }


def served_customers(settings: Settings) -> dict[tuple[str, str, str], int]:
    """Customer of each record, as served: {(source, record_kind, source_record_id): customer_id}."""
    with connect(settings, application_name="c360 demo truth") as connection, connection.cursor() as cursor:
        cursor.execute("select source, record_kind, source_record_id, customer_id from serving.customer_identity_map")
        return {(source, kind, record): customer for source, kind, record, customer in cursor}


def pair_score(true: dict[tuple[str, str, str], int], found: dict[tuple[str, str, str], int]) -> PairScore:
    """Pairwise precision and recall of a clustering, by counting pairs within groups."""

    def pairs(groups: Counter[object]) -> int:
        return sum(size * (size - 1) // 2 for size in groups.values())

    together = pairs(Counter((true[record], found[record]) for record in found))
    said, are = pairs(Counter(found.values())), pairs(Counter(true.values()))
    return PairScore(together / said if said else 1.0, together / are if are else 1.0, len(found))


def first_touch_agreement(
    settings: Settings, truth: Path, persons: dict[tuple[str, str, str], int], found: dict[tuple[str, str, str], int]
) -> tuple[int, int]:
    """(agreeing, comparable): customers that are one true person and have a tracked source."""
    with (truth / "persons.csv").open(encoding="utf-8", newline="") as rows:
        sources = {int(row["person_id"]): row["acquisition_source"] for row in csv.DictReader(rows)}
    people: dict[int, set[int]] = defaultdict(set)
    for record, customer in found.items():
        people[customer].add(persons[record])
    with connect(settings, application_name="c360 demo truth") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select customer_id, acquisition_source from serving.customer_360 where acquisition_source is not null"
        )
        tracked = [(customer, source) for customer, source in cursor if len(people.get(customer, ())) == 1]
    agreeing = sum(sources[next(iter(people[customer]))] == source for customer, source in tracked)
    return agreeing, len(tracked)
