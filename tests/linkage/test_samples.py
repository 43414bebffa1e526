"""Public data sets with known answers: pair F1 does not fall below what one configuration reaches on all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from customer360.linkage.kinds import Kind, Layout, Veto
from customer360.linkage.link import Linked, deduplicate, match

pytestmark = pytest.mark.shared

FEBRL = {
    "given_name": Kind.GIVEN_NAME,
    "surname": Kind.FAMILY_NAME,
    "street_number": Kind.STREET_NUMBER,
    "address_1": Kind.ADDRESS_LINE,
    "address_2": Kind.ADDRESS_LINE,
    "suburb": Kind.LOCALITY,
    "postcode": Kind.POSTCODE,
    "state": Kind.REGION,
    "date_of_birth": Kind.BIRTH_DATE,
    "soc_sec_id": Kind.NATIONAL_ID,
}
FAKE = {
    "first_name": Kind.GIVEN_NAME,
    "surname": Kind.FAMILY_NAME,
    "dob": Kind.BIRTH_DATE,
    "city": Kind.LOCALITY,
    "email": Kind.EMAIL,
}
NO_VETOES: frozenset[Veto] = frozenset()


def febrl(samples: Path, *names: str) -> tuple[pa.Table, dict[tuple[str, str], str]]:
    """Profiles of the files, and {(file, id): whose}; originals and duplicates carry one number."""
    parts = [
        f"select '{name}' as source, trim(rec_id) as id, * exclude rec_id from read_csv('{samples}/identity/{name}.csv', all_varchar = true)"
        for name in names
    ]
    rows = duckdb.sql(" union all by name ".join(parts)).to_arrow_table()
    keys = zip(rows["source"].to_pylist(), rows["id"].to_pylist(), strict=True)
    return rows, {(source, key): key.split("-")[1] for source, key in keys}


def pair_f1(linked: Linked, truth: dict[tuple[str, str], str]) -> float:
    clusters = linked.clusters
    owners = [truth[key] for key in zip(clusters["source"].to_pylist(), clusters["key"].to_pylist(), strict=True)]
    found = clusters["cluster"].to_pylist()
    right, there, said = (pairs(each) for each in (list(zip(owners, found, strict=True)), owners, found))
    return 2 * right / (there + said)


def pairs(groups: list[object]) -> int:
    return sum(count * (count - 1) // 2 for count in Counter(groups).values())


@pytest.mark.parametrize(("vetoes", "floor"), [(NO_VETOES, 0.9996), (frozenset(Veto), 0.99)])
def test_febrl3(samples: Path, vetoes: frozenset[Veto], floor: float) -> None:
    profiles, truth = febrl(samples, "dataset3")
    linked = deduplicate(profiles, Layout("id", FEBRL, vetoes))
    assert pair_f1(linked, {("", key): owner for (_, key), owner in truth.items()}) >= floor


@pytest.mark.parametrize(("vetoes", "floor"), [(NO_VETOES, 0.9998), (frozenset(Veto), 0.9975)])
def test_febrl4(samples: Path, vetoes: frozenset[Veto], floor: float) -> None:
    profiles, truth = febrl(samples, "dataset4a", "dataset4b")
    assert pair_f1(match(profiles, Layout("id", FEBRL, vetoes), "source"), truth) >= floor


@pytest.mark.parametrize(("vetoes", "floor"), [(NO_VETOES, 0.9), (frozenset(Veto), 0.83)])
def test_fake_1000(samples: Path, vetoes: frozenset[Veto], floor: float) -> None:
    path = samples / "identity" / "fake_1000.csv"
    rows = duckdb.sql(f"select unique_id::varchar as id, * exclude unique_id from read_csv('{path}')").to_arrow_table()
    truth = {
        ("", key): str(owner) for key, owner in zip(rows["id"].to_pylist(), rows["cluster"].to_pylist(), strict=True)
    }
    assert pair_f1(deduplicate(rows.drop_columns(["cluster"]), Layout("id", FAKE, vetoes)), truth) >= floor
