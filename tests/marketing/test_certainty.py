"""Ranks, intervals, stated sources and payback as the pages tell them, from tables whose rows stand here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from customer360.portal import certainty, spend
from customer360.portal.build import Site
from customer360.settings import Settings
from pages import downloaded, site_of, table_of

CREDITS = {
    "grain": "text", "model": "text", "conversion_set": "text", "month": "date", "acquisition_source": "text",
    "channel_group": "text", "traffic_source": "text", "campaign": "text", "conversions": "decimal(18, 9)",
    "amount": "decimal(18, 2)", "spend": "decimal(18, 6)",
}  # fmt: skip
RANKS = {
    "grain": "text", "conversion_set": "text", "window_days": "integer", "model": "text", "acquisition_source": "text",
    "channel_group": "text", "traffic_source": "text", "conversions": "decimal(18, 9)", "share": "decimal(9, 6)",
    "share_low": "decimal(9, 6)", "share_high": "decimal(9, 6)", "source_rank": "integer", "best_rank": "integer",
    "worst_rank": "integer", "verdict": "text",
}  # fmt: skip
AGREEMENT = {"tracked_source": "text", "stated_source": "text", "customers": "bigint"}
PAYBACK = {
    "model": "text", "conversion_set": "text", "acquisition_source": "text", "channel_group": "text",
    "campaign": "text", "first_cost_month": "date", "payback_month": "date", "payback_months": "integer",
    "cost": "decimal(18, 6)", "amount": "decimal(18, 2)", "is_paid_back": "boolean",
}  # fmt: skip
FEW = "too few conversions to say"


def credited(model: str, channel: str, amount: int, cost: int) -> tuple[object, ...]:
    return ("channel", model, "order", "2026-02-01", "media", channel, "(all)", "(all)", 1, amount, cost)


def ranked(model: str, channel: str, rank: int | None, share: float, ends: tuple[int | None, int | None], days: int = 365, grain: str = "channel") -> tuple[object, ...]:  # fmt: skip
    figures = (100 * share, share, share - 0.05, share + 0.05, rank, *ends)
    return (grain, "order", days, model, "media", channel, "(all)", *figures, FEW if rank is None else "so it is")


def paid_back(model: str, campaign: str, months: int | None, cost: int) -> tuple[object, ...]:
    month = None if months is None else f"2026-0{months + 1}-01"
    return (model, "order", "media", "Email", campaign, "2026-01-01", month, months, cost, 9, months is not None)


TABLES = [
    table_of("attribution", CREDITS, list(CREDITS)[:8], [credited("first", "Email", 10, 4), credited("last", "Email", 10, 4)]),
    table_of("attribution_sensitivity", RANKS, list(RANKS)[:7], [
        ranked("first", "Email", 2, 0.25, (1, 2)),
        ranked("last", "Email", 1, 0.5, (1, 2)),
        ranked("first", "Direct", 1, 0.375, (1, 3)),
        ranked("last", "Direct", None, 0.125, (1, 3)),
        ranked("first", "Fax", None, 0.0625, (None, None)),
        ranked("last", "Fax", None, 0.0625, (None, None)),
        ranked("first", "Direct", 3, 0.75, (1, 3), days=30),  # of a shorter look-back
        ranked("first", "(all)", 1, 0.875, (1, 1), grain="source"),
    ]),
    table_of("source_agreement", AGREEMENT, list(AGREEMENT)[:2], [
        ("media", "media", 3), ("media", "website", 1), ("website", "website", 3), ("(none)", "media", 2),
        ("media", "(none)", 4), ("website", "(other)", 1),
    ]),
    table_of("attribution_payback", PAYBACK, list(PAYBACK)[:5], [
        paid_back("first", "spring", 2, 5), paid_back("last", "spring", None, 5), paid_back("first", "autumn", 0, 7),
        paid_back("last", "autumn", 1, 7),
    ]),
]  # fmt: skip


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    with site_of(settings, tmp_path, TABLES) as made:
        yield made


def told(site: Site, name: str) -> list[list[str]]:
    return [list(row.values()) for row in downloaded(site, name)]


def test_ranks_stand_side_by_side_and_shares_with_their_interval(site: Site) -> None:
    certainty.write(site)
    # By the best rank; a channel that no model can rank stands among the shares only.
    assert told(site, "ranks_by_model") == [
        ["Email", "media", "2", "1", "1", "2"],
        ["Direct", "media", "1", "", "1", "3"],
    ]
    assert [[row[0], *map(float, row[2:6]), row[6]] for row in told(site, "shares_with_interval")] == [
        ["Direct", 37.5, 37.5, 32.5, 42.5, "so it is"],
        ["Email", 25, 25, 20, 30, "so it is"],
        ["Fax", 6.25, 6.25, 1.25, 11.25, FEW],
    ]
    assert "look-back of 365 days" in (site.folder / "certainty.html").read_text("utf-8")


def test_tracked_and_stated_sources_are_a_matrix_with_what_agrees(site: Site) -> None:
    certainty.write(site)
    assert list(downloaded(site, "tracked_and_stated")[0]) == [
        "tracked_source",
        "media",
        "website",
        "(none)",
        "(other)",
    ]
    assert told(site, "tracked_and_stated") == [
        ["media", "3", "1", "4", "0"],
        ["website", "0", "3", "0", "1"],
        ["(none)", "2", "0", "0", "0"],
        ["total", "5", "4", "4", "1"],
    ]
    # Six of the eight who have both; an answer that nobody knows is one that does not agree.
    assert "Of 14 customers 8 have both; of these 75% agree." in (site.folder / "certainty.html").read_text("utf-8")


def test_payback_is_told_in_months_and_empty_where_there_is_none(site: Site) -> None:
    spend.write(site)
    assert told(site, "payback_by_campaign") == [
        ["autumn", "Email", "2026-01-01", "7.000000", "0", "1"],
        ["spring", "Email", "2026-01-01", "5.000000", "2", ""],
    ]
