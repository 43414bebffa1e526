"""Snowplow events: a real CSV to the row, and the TSV as the enrichment writes it."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile
from customer360.connectors.snowplow import COLUMNS
from customer360.sources import OwnIdentities

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
PAGE_CONTEXT = (
    '{{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0","data":[{{"schema":'
    '"iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0","data":{{"id":"{}"}}}}]}}'
)


def event(identifier: str, extra: int = 0, **cells: str) -> str:
    """One line of the TSV: a page view, if `cells` says nothing else."""
    given = {
        "platform": "web",
        "collector_tstamp": "2026-03-01 10:00:05.000",
        "derived_tstamp": "2026-03-01 10:00:00.123",
        "event": "page_view",
        "event_id": identifier,
        "domain_userid": "visitor",
        "domain_sessionid": "visit",
        "page_url": "https://www.example.com/a?utm_source=url",
        "useragent": BROWSER,
    } | cells
    assert set(given) <= set(COLUMNS)
    return "\t".join([given.get(name, "") for name in COLUMNS] + ["x"] * extra) + "\n"


def test_the_format_has_131_columns() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 131


def test_the_real_events_are_accounted_for(samples: Path) -> None:
    path = samples / "web" / "snowplow_web_events.csv"
    with path.open(newline="") as stream:
        given = list(csv.DictReader(stream))
    kinds = Counter(row["event"] for row in given)
    assert (len(given), kinds["page_view"], kinds["page_ping"]) == (160, 50, 8)
    batches = read("snowplow", path)
    found = rows(batches)
    assert reasons(batches) == []
    assert sum(batch.rows_read for batch in batches) == 160
    # All pings are of two page views, by the id that the tracker gives a page view.
    assert sum(sum(batch.collapsed.values()) for batch in batches) == 8
    assert len(found) == 152
    assert {row["event_name"] for row in found} >= {"page_view", "link_click", "struct:login"}
    assert Counter(row["is_touch"] for row in found) == {False: 102, True: 50}
    by_number = dict(enumerate(given, 1))
    for row in found:
        theirs = by_number[row["row_number"]]
        assert row["source_record_id"] == theirs["event_id"]
        assert f"{row['occurred_at']:%Y-%m-%d %H:%M:%S.%f}"[:-3] == theirs["derived_tstamp"]
        assert row["session_id"] == (theirs["domain_sessionid"] or None)
        assert row["utm_source"] == (theirs["mkt_source"] or None)
    cookies = {value for kind, value, _ in identifiers(batches) if kind == "cookie"}
    views = [row for row in given if row["event"] != "page_ping"]
    given_cookies = (("duid", "domain_userid"), ("nuid", "network_userid"))
    assert cookies == {f"{prefix}:{row[name]}" for row in views for prefix, name in given_cookies if row[name]}


def test_one_event_whole() -> None:
    line = event(
        "e1",
        mkt_source=" Google ",
        mkt_medium="CPC",
        mkt_campaign="Spring",
        page_referrer="https://www.google.com/",
        user_id="Ann.Lee@Example.com",
        network_userid="n1",
    )
    batches = read("snowplow", line)
    expected = {
        "source_record_id": "e1",
        "channel": "web",
        "direction": "inbound",
        "occurred_at": datetime(2026, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC),
        "utc_offset_minutes": 0,
        "event_name": "page_view",
        "company_side": "www.example.com",
        "session_id": "visit",
        "utm_source": "google",
        "utm_medium": "cpc",
        "utm_campaign": "spring",
        "referrer_host": "www.google.com",
        "page_path": "/a",
        "interaction_class": "person",
        "is_touch": True,
    }
    row = one(batches)
    assert {name: row[name] for name in expected} == expected
    assert identifiers(batches) == {
        ("cookie", "duid:visitor", True),
        ("cookie", "nuid:n1", True),
        ("user_id", "Ann.Lee@Example.com", True),
        ("email", "ann.lee@example.com", True),
    }


def test_stamps_are_utc_whatever_the_source_says() -> None:
    row = one(read("snowplow", event("e1"), zone="Asia/Shanghai"))
    assert row["occurred_at"] == datetime(2026, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC)


def test_the_collector_time_stands_in_for_a_missing_one() -> None:
    row = one(read("snowplow", event("e1", derived_tstamp="")))
    assert row["occurred_at"] == datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)


def test_the_address_gives_what_the_enrichment_did_not() -> None:
    assert one(read("snowplow", event("e1")))["utm_source"] == "url"


def test_anonymous_visitors_are_not_one() -> None:
    batches = read("snowplow", event("e1", network_userid="00000000-0000-0000-0000-000000000000", domain_userid=""))
    assert identifiers(batches) == set()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"useragent": "Googlebot/2.1"}, "bot"),
        ({"br_type": "Robot"}, "bot"),
        ({"derived_contexts": '{"data":[{"schema":"iglu:com.iab","data":{"spiderOrRobot":true}}]}'}, "bot"),
        ({"useragent": ""}, "bot"),
        ({"useragent": "", "platform": "srv"}, "person"),
    ],
)
def test_bots(cells: dict[str, str], kind: str) -> None:
    row = one(read("snowplow", event("e1", **cells)))
    assert (row["interaction_class"], row["is_touch"]) == (kind, kind == "person")


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ({"event": "struct", "se_category": "cart", "se_action": "add"}, "struct:add"),
        ({"event": "unstruct", "event_name": "link_click"}, "link_click"),
        ({"event": "transaction", "tr_orderid": "O1"}, "transaction"),
        ({"event": "page_ping"}, "page_ping"),
    ],
)
def test_other_events_are_no_touches(cells: dict[str, str], name: str) -> None:
    row = one(read("snowplow", event("e1", **cells)))
    assert (row["event_name"], row["is_touch"]) == (name, False)


def test_pings_are_counted_with_their_page_view() -> None:
    first, other = PAGE_CONTEXT.format("p1"), PAGE_CONTEXT.format("p2")
    text = "".join(
        [
            event("ping before", event="page_ping", contexts=first),
            event("view", contexts=first),
            event("view", contexts=first),  # delivered twice
            event("ping", event="page_ping", contexts=first, domain_sessionid="after midnight"),
            event("stray", event="page_ping", contexts=other),
            event("view without id", page_url="https://www.example.com/b"),
            event("ping without id", event="page_ping", page_url="https://www.example.com/b"),
            event("elsewhere", event="page_ping", page_url="https://www.example.com/c"),
        ]
    )
    batches = read("snowplow", text)
    assert [row["source_record_id"] for row in rows(batches)] == [
        "view",
        "view",
        "stray",
        "view without id",
        "elsewhere",
    ]
    assert [batch.collapsed for batch in batches] == [{2: 2, 6: 1}]


def test_pings_find_their_page_view_in_an_earlier_stretch() -> None:
    context = PAGE_CONTEXT.format("p1")
    others = "".join(event(f"e{number}") for number in range(50_000))
    text = event("view", contexts=context) + others + event("ping", event="page_ping", contexts=context)
    batches = read("snowplow", text)
    assert [batch.collapsed for batch in batches] == [{}, {1: 1}]


def test_pings_of_a_refused_page_view_stay() -> None:
    context = PAGE_CONTEXT.format("p1")
    text = event("view", contexts=context, derived_tstamp="soon") + event("ping", event="page_ping", contexts=context)
    batches = read("snowplow", text)
    assert reasons(batches) == [(1, "bad_value")]
    assert one(batches)["source_record_id"] == "ping"


def test_items_are_counted_with_their_transaction() -> None:
    text = event("t", event="transaction", tr_orderid="O1") + "".join(
        event(f"i{number}", event="transaction_item", ti_orderid="O1") for number in range(3)
    )
    batches = read("snowplow", text)
    assert [row["source_record_id"] for row in rows(batches)] == ["t"]
    assert batches[0].collapsed == {1: 3}


def test_widths() -> None:
    cut = "\t".join(event("c").split("\t")[:120]) + "\n"
    text = event("a") + event("b", extra=4) + cut + event("d")
    batches = read("snowplow", text)
    assert [row["source_record_id"] for row in rows(batches)] == ["a", "b", "d"]
    assert reasons(batches) == [(3, "bad_width")]
    wider = read("snowplow", event("a", extra=4) + event("b", extra=4))
    assert [row["source_record_id"] for row in rows(wider)] == ["a", "b"]


def test_an_older_version_with_fewer_columns() -> None:
    old = event("a").rstrip("\n").split("\t")[:110]
    row = one(read("snowplow", "\t".join(old) + "\n"))
    assert (row["occurred_at"].second, row["session_id"]) == (5, None)  # the collector's; no such column yet


def test_quotes_and_what_looks_like_a_header_are_only_text() -> None:
    text = event("a", page_title='He said "hi', user_id="event_id or collector_tstamp") + event("b")
    assert [row["source_record_id"] for row in rows(read("snowplow", text))] == ["a", "b"]


def test_refused_events() -> None:
    batches = read("snowplow", event("") + event("b", derived_tstamp="", collector_tstamp="") + event("c"))
    assert reasons(batches) == [(1, "missing_id"), (2, "missing_value")]
    assert {each.raw for batch in batches for each in batch.rejected if each.row_number == 1} == {
        event("").encode().rstrip(b"\n")
    }


def test_other_files_are_refused_whole() -> None:
    with pytest.raises(UnreadableFile, match="not_enriched_events"):
        read("snowplow", "a\tb\n1\t2\n")


def test_own_domains_are_no_referrers() -> None:
    own = OwnIdentities(domains=frozenset({"example.net"}))
    line = event("a", page_referrer="https://blog.example.net/")
    assert one(read("snowplow", line, own=own))["referrer_host"] is None
    assert one(read("snowplow", line))["referrer_host"] == "blog.example.net"
