"""Advertising spend: the download of Google Ads' interface and Meta's export, a row per day and campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from customer360.demo.campaigns import CAMPAIGNS, Campaign
from customer360.demo.formats.desk import Desk, csv_bytes
from customer360.demo.story import BERLIN, Event


def ad_spend(desk: Desk, events: Sequence[Event], days: Sequence[date], platform: str) -> bytes:
    """The platform's file for `days`: every arrival by a campaign is a click that was paid for, among others."""
    clicks = _arrivals(events)
    campaigns = [each for each in CAMPAIGNS if each.platform == platform]
    lines = [_line(desk, day, campaign, clicks[day, campaign.name]) for day in days for campaign in campaigns]
    return _google(days, lines) if platform == "google_ads" else _meta(lines)


def _arrivals(events: Sequence[Event]) -> Counter[tuple[date, str]]:
    return Counter(
        (event.at.astimezone(BERLIN).date(), event.data["campaign"].name)
        for event in events
        if event.kind == "visit" and event.data.get("campaign")
    )


def _line(desk: Desk, day: date, campaign: Campaign, arrivals: int) -> tuple[date, Campaign, int, int, int]:
    """(day, campaign, impressions, clicks, cents)."""
    clicks = arrivals + desk.rng.randrange(3, 40)
    cents = sum(campaign.cents_per_click + desk.rng.randrange(-15, 16) for _ in range(clicks))
    desk.book.spend[campaign.name, day] = cents
    return day, campaign, clicks * desk.rng.randrange(20, 60), clicks, cents


def _google(days: Sequence[date], lines: Sequence[tuple[date, Campaign, int, int, int]]) -> bytes:
    """Title, range, header, thousands separators, and a row of totals that is no day."""
    total = sum(cents for *_, cents in lines)
    rows: list[list[object]] = [
        ["Campaign report"],
        [f"{days[0]:%B} {days[0].day}, {days[0].year} - {days[-1]:%B} {days[-1].day}, {days[-1].year}"],
        ["Day", "Campaign", "Campaign ID", "Currency code", "Impr.", "Clicks", "Cost"],
    ]
    for day, campaign, shown, clicks, cents in lines:
        rows.append(
            [day.isoformat(), campaign.name, campaign.campaign_id, "EUR", f"{shown:,}", clicks, f"{cents / 100:,.2f}"]
        )
    rows.append(["Total: Campaigns", "--", "--", "EUR", "--", "--", f"{total / 100:,.2f}"])
    return csv_bytes(rows)


def _meta(lines: Sequence[tuple[date, Campaign, int, int, int]]) -> bytes:
    rows: list[list[object]] = [
        ["Day", "Campaign name", "Campaign ID", "Reach", "Impressions", "Link clicks", "Amount spent (EUR)"]
    ]
    for day, campaign, shown, clicks, cents in lines:
        rows.append(
            [day.isoformat(), campaign.name, campaign.campaign_id, shown * 2 // 3, shown, clicks, f"{cents / 100:.2f}"]
        )
    return csv_bytes(rows)
