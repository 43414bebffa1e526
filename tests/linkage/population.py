"""Made-up people, and what becomes of them when they are written down again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from customer360.linkage.kinds import Kind, Layout

GIVEN = "amara beno cilia doran elwin farah goran hilde ivo jonna kelso lenka marek nuria orla pavel quinn rhoda sanjo tilde".split()
SYLLABLES = "bar cor dun fel gar hol kir lam mor nor pel rud sor tam vin wex".split()
STREETS = [f"{a}{b} {kind}" for a in SYLLABLES for b in SYLLABLES[:6] for kind in ("street", "lane", "place")]
TOWNS = [f"{a}{b}ton" for a in SYLLABLES for b in ("ber", "mil", "wes")]
LAYOUT = Layout(
    "id",
    {
        "given": Kind.GIVEN_NAME,
        "family": Kind.FAMILY_NAME,
        "born": Kind.BIRTH_DATE,
        "street": Kind.ADDRESS_LINE,
        "town": Kind.LOCALITY,
        "postcode": Kind.POSTCODE,
        "account": Kind.ACCOUNT_REF,
    },
)


@dataclass(frozen=True)
class Person:
    given: str
    family: str
    born: str
    street: str
    town: str
    postcode: str
    account: str | None = None


def people(count: int, seed: int = 1) -> list[Person]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        town = rng.randrange(len(TOWNS))
        born = date(1940, 1, 1) + timedelta(days=rng.randrange(22_000))
        family = "".join(rng.choice(SYLLABLES) for _ in range(3))
        street = f"{rng.choice(STREETS)} {rng.randrange(1, 90)}"
        postcode = f"{1000 + town * 17 + rng.randrange(6)}"
        found.append(Person(rng.choice(GIVEN), family, born.isoformat(), street, TOWNS[town], postcode))
    return found


def written_again(person: Person, rng: random.Random) -> dict[str, Any]:
    """The record of `person` with a slip or two, or a value missing."""
    row = row_of(person)
    for _ in range(rng.randrange(3)):
        column = rng.choice(("given", "family", "born", "street", "town", "postcode"))
        if rng.random() < 0.3:
            row[column] = None
        elif row[column]:
            row[column] = _slip(row[column], rng)
    return row


def row_of(person: Person) -> dict[str, Any]:
    return {field: getattr(person, field) for field in LAYOUT.columns}


def table(rows: list[dict[str, Any]], layout: Layout = LAYOUT) -> pa.Table:
    """Rows with column `id` added where it is not there: unordered numbers that say nothing of whose they are."""
    ids = list(range(len(rows)))
    random.Random(3).shuffle(ids)
    schema = pa.schema([("id", pa.string()), *((column, pa.string()) for column in layout.columns)])
    return pa.Table.from_pylist([{"id": f"p{number}"} | row for number, row in zip(ids, rows, strict=True)], schema)


def crowd(count: int = 150, seed: int = 1) -> tuple[list[dict[str, Any]], list[int]]:
    """Records of `count` people, one to three each, and whose each is: what weights are learnt from."""
    rng = random.Random(seed)
    rows, owners = [], []
    for number, person in enumerate(people(count, seed)):
        for _ in range(rng.randrange(1, 4)):
            rows.append(written_again(person, rng))
            owners.append(number)
    return rows, owners


def _slip(value: str, rng: random.Random) -> str:
    at = rng.randrange(len(value) - 1)
    if value[0].isdigit():
        digit = rng.choice("0123456789")
        return value if value[at] == "-" else value[:at] + digit + value[at + 1 :]
    return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
