"""How figures are written for people."""

from __future__ import annotations

from decimal import Decimal

import pytest

from customer360.portal.words import number


@pytest.mark.parametrize(
    ("value", "places", "written"),
    [
        (None, None, ""),
        (-1234, None, "-1,234"),
        (Decimal("1234567.891"), None, "1,234,567.89"),
        (Decimal("-0.000000001"), None, "0.00"),
        (-0.04, 1, "0.0"),
        (Decimal("-0.05"), 2, "-0.05"),
    ],
)
def test_what_rounds_to_zero_has_no_sign(value: Decimal | float | None, places: int | None, written: str) -> None:
    assert number(value, places) == written
