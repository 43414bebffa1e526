"""Spend reports of the platforms: where the header stands, what is a day's spend and what only sums up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deliveries import one, read, reasons, rows

from customer360.connectors.base import Batch, UnreadableFile

GOOGLE = (
    "Campaign report\n"
    '"January 1, 2026 - January 31, 2026"\n'
    "Day,Campaign,Campaign ID,Currency code,Impr.,Clicks,Cost\n"
    '2026-01-02,Brand,111,EUR,"1,204",37,"1,023.50"\n'
    '2026-01-02,"Total Fitness, all",112,EUR,90,2,0.80\n'
    "2026-01-03,Brand,111,EUR,12,--,--\n"
    'Total: Campaigns,--,--,EUR,"1,306",39,"1,024.30"\n'
    "Total: Account\n"
)


def spend(batches: list[Batch]) -> list[dict[str, Any]]:
    return rows(batches, "ad_spend")


@pytest.mark.parametrize(
    "content",
    [
        GOOGLE.encode(),
        GOOGLE.encode("utf-8-sig"),
        GOOGLE.replace("\n", "\r\n").encode(),
        GOOGLE.replace('"1,204"', "1204").replace('"1,023.50"', "1023.50").replace('"1,306"', "1306")
        .replace('"1,024.30"', "1024.30").replace('"Total Fitness, all"', "Total Fitness; all")
        .replace('"January 1, 2026 - January 31, 2026"', "x").replace(",", "\t").replace(";", ",").encode("utf-16"),
    ],
    ids=["utf-8", "mark", "crlf", "utf-16 with tabs"],
)  # fmt: skip
def test_google_download(content: bytes) -> None:
    batches = read("ad_spend", content)
    brand, fitness = spend(batches)
    assert (
        brand
        | {
            "row_number": 1,
            "spend_date": date(2026, 1, 2),
            "platform": "google_ads",
            "campaign_id": "111",
            "campaign": "Brand",
            "clicks": 37,
            "impressions": 1204,
            "cost": Decimal("1023.50"),
            "currency": "EUR",
        }
        == brand
    )
    assert (fitness["campaign"], fitness["cost"]) == ("Total Fitness, all", Decimal("0.80"))
    assert reasons(batches) == [(3, "missing_value"), (4, "total_row"), (5, "total_row")]


def test_campaign_whose_name_begins_like_a_total_is_a_campaign() -> None:
    content = "Campaign,Day,Cost\nTotal Fitness,2026-01-02,5\nTotal: Campaigns, --,5\n"
    batches = read("ad_spend", content)
    assert one(batches, "ad_spend")["campaign"] == "Total Fitness"
    assert reasons(batches) == [(2, "total_row")]


def test_german_download_with_decimal_comma() -> None:
    content = "Bericht\nTag;Kampagne;Kampagnen-ID;Währungscode;Impressionen;Klicks;Kosten\n31.01.2026;Marke;7;EUR;12.345;1.204;1.023,50\nGesamt;;;EUR;;;9,99\n"
    batches = read("ad_spend", content.encode("cp1252"))
    row = one(batches, "ad_spend")
    assert (row["spend_date"], row["cost"], row["clicks"], row["impressions"]) == (
        date(2026, 1, 31),
        Decimal("1023.50"),
        1204,
        12345,
    )
    assert (row["currency"], row["campaign_id"], row["campaign"]) == ("EUR", "7", "Marke")
    assert reasons(batches) == [(2, "total_row")]


def test_decimal_comma_may_be_declared() -> None:
    content = "Day;Campaign;Cost\n2026-01-02;Brand;1,234\n"
    assert one(read("ad_spend", content), "ad_spend")["cost"] == Decimal("1234")
    assert one(read("ad_spend", content, options={"decimal_comma": True}), "ad_spend")["cost"] == Decimal("1.234")


def test_meta_download() -> None:
    content = (
        "Campaign name,Ad set name,Day,Reach,Impressions,Link clicks,Amount spent (EUR),Reporting starts,Reporting ends\n"
        ",,,500,900,30,25.00,2026-01-02,2026-01-03\n"
        "Spring,A,2026-01-02,200,400,12,10.00,2026-01-02,2026-01-02\n"
        "Spring,B,2026-01-02,200,400,,10.00,2026-01-02,2026-01-02\n"
    )
    batches = read("ad_spend", content, currency="USD")
    first, second = spend(batches)
    assert (first["platform"], first["currency"], first["campaign"], first["clicks"]) == ("meta", "EUR", "Spring", 12)
    assert (second["clicks"], second["cost"]) == (None, Decimal("10"))
    assert first["source_record_id"] != second["source_record_id"]
    assert reasons(batches) == [(1, "total_row")]


def test_report_of_several_days_in_a_row_is_refused() -> None:
    content = (
        "Reporting starts,Reporting ends,Campaign name,Amount spent (EUR)\n"
        "2026-01-01,2026-01-31,Spring,310\n2026-01-01,2026-01-01,Spring,10\n"
    )
    batches = read("ad_spend", content)
    assert reasons(batches) == [(1, "not_daily")]
    assert one(batches, "ad_spend")["cost"] == Decimal("10")


@pytest.mark.parametrize(
    ("header", "line", "platform"),
    [
        ("Start Date (in UTC),Campaign Group Name,Campaign Name,Currency,Impressions,Clicks,Total Spent", "2026-01-02,G,Lead,EUR,5,1,3.5", "linkedin_ads"),
        ("Gregorian date,CampaignName,CampaignId,Impressions,Clicks,Spend,Currency Code", "2026-01-02,Lead,9,5,1,3.5,EUR", "microsoft_ads"),
        ("date,campaign_id,campaign_name,clicks,impressions,spend,account_currency,reach", "2026-01-02,9,Lead,1,5,3.5,EUR,4", "meta"),
        ("segments.date,campaign.id,campaign.name,metrics.clicks,metrics.impressions,metrics.cost_micros,currency", "2026-01-02,9,Lead,1,5,3500000,EUR", "google_ads"),
        ("COST,UNHEARD OF,Impressions,CLICKS,Campaign,Currency,DATE", "3.5,x,5,1,Lead,EUR,2026-01-02", "google_ads"),
    ],
)  # fmt: skip
def test_platforms_by_their_headings(header: str, line: str, platform: str) -> None:
    row = one(read("ad_spend", f"{header}\n{line}\n"), "ad_spend")
    assert row["platform"] == platform
    assert (row["spend_date"], row["cost"], row["clicks"], row["impressions"]) == (
        date(2026, 1, 2),
        Decimal("3.5"),
        1,
        5,
    )
    assert (row["campaign"], row["currency"]) == ("Lead", "EUR")
    assert one(read("ad_spend", f"{header}\n{line}\n", options={"platform": "ours"}), "ad_spend")["platform"] == "ours"


def test_micros_are_exact_however_many() -> None:
    content = (
        "date,id,cost_micros\n2026-01-02,1,1\n2026-01-02,2,1234567000001\n2026-01-02,3,36150000.0\n2026-01-02,4,many\n"
    )
    batches = read("ad_spend", content)
    assert [row["cost"] for row in spend(batches)] == [Decimal("0.000001"), Decimal("1234567.000001"), Decimal("36.15")]
    assert [row["campaign_id"] for row in spend(batches)] == ["1", "2", "3"]
    assert reasons(batches) == [(4, "bad_value")]


def test_lines_that_nothing_tells_apart_are_all_kept_under_ids_that_do_not_change() -> None:
    line = "2026-01-02,Brand,{}\n"
    first = spend(read("ad_spend", "Day,Campaign,Cost\n" + line.format(1) + line.format(2)))
    again = spend(read("ad_spend", "Day,Campaign,Cost\n" + line.format(1) + line.format("2.5")))
    assert len({row["source_record_id"] for row in first}) == 2
    assert [row["source_record_id"] for row in first] == [row["source_record_id"] for row in again]


def test_bad_values_are_refused_and_named() -> None:
    content = "Day,Campaign,Clicks,Cost\n2026-02-30,Brand,1,1\n2026-02-01,Brand,few,1\n2026-02-01,Brand,1,dear\n2026-02-01,Brand,1,1\n"
    batches = read("ad_spend", content)
    assert [
        (each.row_number, each.reason, each.detail, each.line)
        for each in sorted(batches[0].rejected, key=lambda r: r.row_number)
    ] == [
        (1, "bad_value", "day", 2),
        (2, "bad_value", "clicks", 3),
        (3, "bad_value", "cost", 4),
    ]
    assert one(batches, "ad_spend")["row_number"] == 4


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "just text\n", "Day,Clicks\n2026-01-01,2\n"])
def test_something_else_is_unknown(content: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        read("ad_spend", content)
    assert error.value.reason == "unknown_format"


@pytest.mark.parametrize(
    ("file", "platform", "lines", "cost"),
    [
        ("google_ads_campaign_stats_data.csv", "google_ads", 16, Decimal("231.33")),
        ("google_ads_ad_stats_data.csv", "google_ads", 10, Decimal("0")),
        ("facebook_ads_basic_ad_data.csv", "meta", 10, Decimal("643.63")),
    ],
)
def test_real_reports_to_the_row(samples: Path, file: str, platform: str, lines: int, cost: Decimal) -> None:
    batches = read("ad_spend", samples / "media" / file)
    found = spend(batches)
    assert reasons(batches) == []
    assert {row["platform"] for row in found} == {platform}
    assert len({row["source_record_id"] for row in found}) == len(found) == lines
    assert sum(row["cost"] for row in found) == cost


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("google_ads_campaign_history_data.csv", 10),
        ("facebook_ads_campaign_history_data.csv", 9),
        ("facebook_ads_ad_history_data.csv", 12),
    ],
)
def test_real_descriptions_hold_no_spend(samples: Path, file: str, lines: int) -> None:
    batches = read("ad_spend", samples / "media" / file)
    assert [reason for _, reason in reasons(batches)] == ["no_spend"] * lines
