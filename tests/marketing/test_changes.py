"""The page of changes: restatements of the last seven nights by cause, and what is merely new apart from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from customer360.marketing.contract import Table
from customer360.portal import changes
from customer360.portal.build import Site
from customer360.settings import Settings
from pages import downloaded, site_of, table_of
from publishing import NIGHT

COLUMNS = {
    "as_of": "timestamp",
    "grain": "text",
    "model": "text",
    "conversion_set": "text",
    "month": "date",
    "channel_group": "text",
    "cause": "text",
    "conversions_from": "decimal(18, 9)",
    "conversions_to": "decimal(18, 9)",
    "amount_from": "decimal(18, 2)",
    "amount_to": "decimal(18, 2)",
    "cost_from": "decimal(18, 6)",
    "cost_to": "decimal(18, 6)",
}
KEY = ("as_of", "grain", "model", "conversion_set", "month", "channel_group", "cause")


def table(name: str, found: list[tuple[object, ...]]) -> Table:
    return table_of(name, COLUMNS, KEY, found)


def row(days: int, model: str, cause: str, *figures: object, channel: str = "Direct", grain: str = "channel") -> tuple[object, ...]:  # fmt: skip
    moment = (NIGHT - timedelta(days=days)).replace(tzinfo=None)
    return (moment, grain, model, "order", "2026-02-01", channel, cause, *figures, 0, 0)


def cost(days: int, cause: str, old: object, new: object, grain: str = "channel") -> tuple[object, ...]:
    moment = (NIGHT - timedelta(days=days)).replace(tzinfo=None)
    return (moment, grain, "(all)", "(all)", "2026-02-01", "Paid Search", cause, 0, 0, 0, 0, old, new)


RESTATED = [
    row(0, "first", "late_touch", 0, 1, 0, "10.50"),
    row(0, "first", "late_touch", 1, 0, "10.50", 0, channel="unattributed"),
    row(1, "first", "amount_corrected", 1, 1, 10, "12.25"),
    row(1, "last", "amount_corrected", 1, 1, 10, "12.25"),
    row(1, "first", "amount_corrected", 1, 1, 10, "12.25", grain="campaign"),  # the same once more
    row(1, "first", "identity_merge", 2, 1, 0, 0),
    row(2, "last", "new_conversion", 0, 3, 0, "300.00"),
    row(8, "last", "late_touch", 0, 9, 0, "999.00"),  # before the week
    cost(0, "late_cost", 0, "3.50"),
    cost(1, "late_cost", "3.50", "3.25"),
    cost(1, "late_cost", "3.50", "3.25", grain="campaign"),
    cost(2, "new_cost", 0, 40),
    cost(9, "new_cost", 0, "888.88"),
]


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    with site_of(
        settings, tmp_path, [table("attribution", RESTATED[:1]), table(changes.RESTATEMENTS, RESTATED)]
    ) as made:
        yield made


def test_what_moved_is_told_by_cause_and_what_is_new_apart(site: Site) -> None:
    changes.write(site)
    assert downloaded(site, "restated_amounts") == [
        {
            "cause": "amount_corrected",
            "conversion_set": "order",
            "total": "2.25",
            "first": "2.25",
            "last": "2.25",
        },
        {"cause": "late_touch", "conversion_set": "order", "total": "0.00", "first": "21.00", "last": "0"},
    ]
    assert downloaded(site, "new_conversions") == [
        {"cause": "new_conversion", "conversion_set": "order", "total": "3.000000000", "last": "3.000000000"}
    ]
    moved = [
        (each["channel_group"], each["cause"], each["amount"]) for each in downloaded(site, "largest_restatements")
    ]
    assert moved == [
        ("Direct", "late_touch", "10.50"),
        ("unattributed", "late_touch", "-10.50"),
        ("Direct", "amount_corrected", "2.25"),
        ("Direct", "amount_corrected", "2.25"),
        ("Direct", "identity_merge", "0.00"),
    ]
    conversions = [(each["cause"], each["total"], each["first"]) for each in downloaded(site, "restated_conversions")]
    assert conversions == [
        ("identity_merge", "-1.000000000", "1.000000000"),
        ("late_touch", "0.000000000", "2.000000000"),
    ]
    moved = [(each["cause"], each["month"], Decimal(each["cost"])) for each in downloaded(site, "moved_costs")]
    assert moved == [("late_cost", "2026-02-01", Decimal("3.25")), ("new_cost", "2026-02-01", Decimal(40))]
    page = (site.folder / "changes.html").read_text("utf-8")
    assert "999" not in page
    assert "888" not in page
    assert "Publications of the week" in page
