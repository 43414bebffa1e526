"""Levels: how alike two values of a type are."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from population import LAYOUT, table

from customer360.linkage.compare import comparisons
from customer360.linkage.features import prepare
from customer360.linkage.kinds import Kind, Layout
from customer360.linkage.score import levels

MISSING = None


def level(field: str, one: dict[str, str | None], two: dict[str, str | None], layout: Layout = LAYOUT) -> int | None:
    """Level of `field` between two profiles, None where a value is missing."""
    engine = duckdb.connect()
    blank = dict.fromkeys(layout.columns)
    fields = prepare(engine, table([blank | one, blank | two], layout), layout)
    compared = comparisons(fields)
    at = fields.index(field)
    found = int(levels(engine, np.array([0]), np.array([1]), compared)[0, at])
    return MISSING if found == compared[at].size else found


def falls(field: str, first: dict[str, str | None], others: list[dict[str, str | None]]) -> list[int | None]:
    return [level(field, first, other) for other in others]


def test_given_names_from_equal_to_different() -> None:
    first = {"given": "katherine", "family": "wexlam"}
    others = [
        {"given": "Kátherine", "family": "wexlam"},
        {"given": "wexlam", "family": "katherine"},
        {"given": "kate", "family": "wexlam"},
        {"given": "kahterine", "family": "wexlam"},
        {"given": "k", "family": "wexlam"},
        {"given": "orla", "family": "wexlam"},
    ]
    assert falls("given_name", first, others) == [7, 6, 5, 4, 3, 0]


def test_family_names_from_equal_to_different() -> None:
    first = {"given": "orla", "family": "wexlamrud"}
    others = [
        {"given": "orla", "family": "wexlamrud"},
        {"given": "wexlamrud", "family": "orla"},
        {"given": "orla", "family": "wexlamrd"},
        {"given": "orla wexlamrud", "family": "tor"},
        {"given": "orla", "family": "corduntor"},
    ]
    assert falls("family_name", first, others) == [5, 4, 3, 2, 0]


def test_birth_dates_from_equal_to_different() -> None:
    dates = [
        "1971-05-12",
        "1971-12-05",
        "1971-06-12",
        "1971-05-21",
        "1917-05-12",
        "1971-06-13",
        "1971-11-30",
        "1948-08-30",
    ]
    others: list[dict[str, str | None]] = [{"born": each} for each in dates]
    assert falls("birth_date", {"born": "1971-05-12"}, others) == [4, 3, 3, 3, 3, 2, 1, 0]


def test_compact_dates_are_dates() -> None:
    assert level("birth_date", {"born": "19710512"}, {"born": "1971-05-12"}) == 4


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("+4915102220101", "+49 151 0222 0101", 3),
        ("0151 02220101", "0049 151 02220101", 3),
        ("+4915102220101", "+4915102220191", 2),
        ("+4915102220101", "+4915102228181", 1),
        # A landline and a mobile that end in the same nine digits, and in nine that differ in one, are other numbers.
        ("+4915102220101", "+4922102220101", 1),
        ("+4915102220101", "+4922102220107", 0),
    ],
)
def test_telephone_numbers_from_equal_to_different(one: str, other: str, expected: int) -> None:
    layout = Layout("id", {"phone": Kind.PHONE})
    assert level("phone", {"phone": one}, {"phone": other}, layout) == expected


@pytest.mark.parametrize("other", [None, "", "  "])
def test_a_missing_value_has_no_level(other: str | None) -> None:
    assert level("family_name", {"family": "wexlamrud"}, {"family": other}) is MISSING
    assert level("family_name", {"family": other}, {"family": "wexlamrud"}) is MISSING
