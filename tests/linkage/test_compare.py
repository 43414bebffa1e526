"""Levels: how alike two values of a type are."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from population import LAYOUT, table

from customer360.linkage.compare import comparisons
from customer360.linkage.features import prepare
from customer360.linkage.score import levels

MISSING = None


def level(field: str, one: dict[str, str | None], two: dict[str, str | None]) -> int | None:
    """Level of `field` between two profiles, None where a value is missing."""
    engine = duckdb.connect()
    blank = dict.fromkeys(LAYOUT.columns)
    fields = prepare(engine, table([blank | one, blank | two]), LAYOUT)
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


@pytest.mark.parametrize("other", [None, "", "  "])
def test_a_missing_value_has_no_level(other: str | None) -> None:
    assert level("family_name", {"family": "wexlamrud"}, {"family": other}) is MISSING
    assert level("family_name", {"family": other}, {"family": "wexlamrud"}) is MISSING
