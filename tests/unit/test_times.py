"""Nights are UTC instants."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from customer360.times import parse_as_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", datetime(2026, 2, 28, 23, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC)),  # the clocks change later that night
        ("2026-03-01T03:00:00+01:00", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T03:00:00Z", datetime(2026, 3, 1, 3, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_first_instant_in_the_company_zone(text: str, expected: datetime) -> None:
    assert parse_as_of(text, BERLIN) == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "2026-03-01T03:00:00", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as_of"):
        parse_as_of(text, BERLIN)
