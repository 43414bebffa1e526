"""Segment messages: every kind, the defects senders write, and the copies in warehouses."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def message(kind: str, **members: Any) -> dict[str, Any]:
    return {"messageId": "m1", "type": kind, "timestamp": "2026-03-01T10:00:00.000Z"} | members


def lines(*messages: dict[str, Any] | str) -> str:
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in messages)


def test_the_real_table_is_accounted_for(samples: Path) -> None:
    batches = read("segment", samples / "web" / "segment_pages.csv")
    row = one(batches)
    assert batches[0].rows_read == 1
    expected = {
        "source_record_id": "ajs-9527e97fc714abe02a23b3d24cf09a36",
        "occurred_at": datetime(2015, 2, 23, 22, 28, 55, tzinfo=UTC),
        "event_name": "page_view",
        "company_side": "www.getdbt.com",
        "page_path": "/product",
        "utm_source": "facebook",
        "utm_medium": "social",
        "utm_campaign": "autumn_collection_2015",
        "utm_term": "foo",
        "utm_content": "bar",
        "referrer_host": "www.google.com",
        "interaction_class": "person",
        "is_touch": True,
    }
    assert {name: row[name] for name in expected} == expected
    assert identifiers(batches) == {
        ("cookie", "ajs:507f191e810c19729de860ea", True),
        ("user_id", "97980cfea0067", True),
    }


def test_identify_is_a_contact_record() -> None:
    traits = {
        "email": "Ann.Lee@Example.com",
        "phone": "020 7946 0123",
        "firstName": "Ann",
        "last_name": "Lee",
        "birthday": "1980-02-03T00:00:00.000Z",
        "createdAt": 1_700_000_000,
        "company": {"id": 7, "name": "Acme"},
        "address": {"street": "1 High St", "city": "London", "postalCode": "N1", "state": "", "country": "GB"},
        "plan": "pro",
    }
    batches = read(
        "segment",
        lines(message("identify", anonymousId="a1", userId=42, traits=traits)),
        phone_region="GB",
        zone="Asia/Shanghai",
    )
    row = one(batches, "contact_record")
    expected = {
        "record_kind": "user",
        "given_name": "Ann",
        "family_name": "Lee",
        "organisation": "Acme",
        "account_ref": "segment:group:7",
        "address_line": "1 High St",
        "city": "London",
        "postal_code": "N1",
        "region": None,
        "country": "GB",
        "birth_date": date(1980, 2, 3),
        "created_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "observed_at": datetime(2026, 3, 1, 10, tzinfo=UTC),
    }
    assert {name: row[name] for name in expected} == expected
    assert json.loads(row["attributes"])["plan"] == "pro"
    assert identifiers(batches) == {
        ("cookie", "ajs:a1", True),
        ("user_id", "42", True),
        ("email", "ann.lee@example.com", True),
        ("phone", "+442079460123", True),
    }


def test_stated_traits_go_before_remembered_ones() -> None:
    remembered = {"traits": {"email": "old@example.com", "firstName": "Ann", "lastName": "Lee"}}
    stated = {"email": "new@example.com", "lastName": "Moss"}
    batches = read("segment", lines(message("identify", traits=stated, context=remembered)))
    assert identifiers(batches) == {("email", "new@example.com", True)}
    row = one(batches, "contact_record")
    assert (row["given_name"], row["family_name"]) == ("Ann", "Moss")


def test_a_group_tells_of_an_organisation() -> None:
    traits = {"name": "Acme", "email": "office@example.com", "phone": "+442079460123"}
    batches = read("segment", lines(message("group", groupId="g1", userId="u1", traits=traits)))
    row = one(batches, "contact_record")
    assert (row["organisation"], row["full_name"], row["account_ref"]) == ("Acme", None, "segment:group:g1")
    assert identifiers(batches) == {("user_id", "u1", True)}


def test_an_alias_holds_both_ids_of_either_kind() -> None:
    batches = read("segment", lines(message("alias", previousId="p1", userId="u1")))
    assert identifiers(batches) == {("user_id", "u1", True), ("user_id", "p1", True), ("cookie", "ajs:p1", True)}


def test_page_screen_and_track() -> None:
    context = {
        "userAgent": BROWSER,
        "page": {"url": "https://www.example.com/a?gclid=1", "referrer": "https://news.example.org/"},
        "campaign": {"source": "News", "name": "Spring"},
        "device": {"id": "d1", "advertisingId": "00000000-0000-0000-0000-000000000000"},
    }
    batches = read(
        "segment",
        lines(
            message("page", anonymousId="a1", context=context),
            message("screen", messageId="m2", anonymousId="a1"),
            message("track", messageId="m3", anonymousId="a1", event="Signed Up", context={"sessionId": 17}),
        ),
    )
    page, screen, track = rows(batches)
    assert (page["event_name"], screen["event_name"], track["event_name"]) == (
        "page_view",
        "screen_view",
        "track:Signed Up",
    )
    assert [row["is_touch"] for row in (page, screen, track)] == [True, True, False]
    assert (page["utm_source"], page["utm_campaign"], page["click_id_type"]) == ("news", "spring", "gclid")
    assert (page["company_side"], page["page_path"], page["referrer_host"]) == (
        "www.example.com",
        "/a",
        "news.example.org",
    )
    assert (page["session_id"], track["session_id"]) == ("a1:2026-03-01", "17")
    assert identifiers(batches, 1) == {("cookie", "ajs:a1", True), ("device", "dev:d1", True)}


def test_orders_and_refunds() -> None:
    batches = read(
        "segment",
        lines(
            message("track", event="Order Completed", userId="ann@example.com", properties={"total": "12.50"}),
            message("track", messageId="m2", event="order refunded", properties={"revenue": 2.5, "currency": "usd"}),
            message("track", messageId="m3", event="Product Viewed", properties={"total": "none of yours"}),
        ),
        currency="EUR",
    )
    orders = rows(batches, "sales_order")
    assert [(row["status"], row["amount"], row["currency"]) for row in orders] == [
        ("completed", Decimal("12.5"), "EUR"),
        ("refunded", Decimal("-2.5"), "USD"),
    ]
    assert len(rows(batches)) == 3  # each is an interaction too
    kinds = {(row["record_kind"], row["identifier_type"]) for row in rows(batches, "identifier")}
    assert kinds == {
        ("interaction", "user_id"),
        ("interaction", "email"),
        ("sales_order", "user_id"),
        ("sales_order", "email"),
    }


@pytest.mark.parametrize(
    ("stamps", "at", "offset"),
    [
        # The sender's clock is an hour ahead; the message waited ten seconds.
        (
            {
                "originalTimestamp": "2026-03-01T11:00:00Z",
                "sentAt": "2026-03-01T11:00:10Z",
                "receivedAt": "2026-03-01T10:00:10Z",
                "timestamp": "2026-03-01T11:00:00Z",
            },
            "10:00:00",
            0,
        ),
        ({"timestamp": "2026-03-01T12:00:00+02:00"}, "10:00:00", 120),
        ({"timestamp": None, "originalTimestamp": "2026-03-01T10:00:00Z"}, "10:00:00", 0),
        ({"timestamp": "soon", "receivedAt": "2026-03-01T10:00:00Z"}, "10:00:00", 0),
        ({"timestamp": 1_772_359_200_000}, "10:00:00", None),
        ({"timestamp": "2026-03-01 11:00:00"}, "10:00:00", 60),  # no zone: the source's
    ],
)
def test_time(stamps: dict[str, Any], at: str, offset: int | None) -> None:
    row = one(read("segment", lines(message("page") | stamps), zone="Europe/Berlin"))
    assert (f"{row['occurred_at']:%H:%M:%S}", row["utc_offset_minutes"]) == (at, offset)


def test_a_bot_identifies_nobody() -> None:
    context = {"userAgent": "python-requests/2.32"}
    batches = read(
        "segment",
        lines(
            message("identify", anonymousId="a1", traits={"email": "victim@example.com"}, context=context),
            message("page", messageId="m2", anonymousId="a1", context=context),
        ),
    )
    assert {valid for _, _, valid in identifiers(batches)} == {False}
    assert (one(batches)["interaction_class"], one(batches)["is_touch"]) == ("bot", False)


def test_servers_that_send_no_user_agent_are_no_bots() -> None:
    assert one(read("segment", lines(message("page"))))["interaction_class"] == "person"


def test_defects_are_refused_with_their_place() -> None:
    batches = read(
        "segment",
        lines(
            message("page"),
            "",
            "not json",
            '["a"]',
            '{"messageId": "m", "type": "pa',
            '{"messageId": "\\ud83d", "type": "page"}',
            message("page", messageId=None),
            message("page", messageId={"a": 1}),
            message("delete"),
            message("track", messageId="m8"),
            message("track", event="Order Completed", properties={"total": "twelve"}),
            message("page", timestamp="soon"),
        ),
    )
    assert reasons(batches) == [
        *((number, "bad_json") for number in (2, 3, 4, 5)),
        *((number, "missing_id") for number in (6, 7)),
        (8, "unknown_type"),
        (9, "missing_value"),
        (10, "bad_value"),
        (11, "bad_timestamp"),
    ]
    assert {each.line for batch in batches for each in batch.rejected} == set(range(3, 13))
    assert {each.raw for batch in batches for each in batch.rejected if each.row_number == 2} == {b"not json"}


@pytest.mark.parametrize("odd", [None, [], "text", 7, True, {"a": {"b": [1]}}])
def test_any_type_in_any_place(odd: Any) -> None:
    members = ("anonymousId", "userId", "properties", "traits", "context", "groupId", "previousId")
    for kind in ("identify", "page", "group", "alias"):
        batches = read("segment", lines(message(kind, **dict.fromkeys(members, odd))))
        assert reasons(batches) == []
    nested = {"page": odd, "campaign": odd, "traits": odd, "device": odd, "userAgent": odd}
    traits = {"address": odd, "company": odd, "email": odd, "birthday": odd, "createdAt": odd, "name": odd}
    assert reasons(read("segment", lines(message("identify", context=nested, traits=traits)))) == []


def test_an_array_of_messages() -> None:
    messages = [message("page"), message("delete", messageId="m2"), message("page", messageId="m3")]
    batches = read("segment", json.dumps(messages, indent=2))
    assert [row["row_number"] for row in rows(batches)] == [1, 3]
    assert reasons(batches) == [(2, "unknown_type")]
    with pytest.raises(UnreadableFile, match="bad_json"):
        read("segment", json.dumps(messages)[:-5])


def test_warehouse_tables_are_told_apart_by_their_columns() -> None:
    tracks = "id,anonymous_id,user_id,event,timestamp,context_user_agent\ne1,a1,,signed_up,2026-03-01 10:00:00,curl/8\n"
    batches = read("segment", tracks, zone="Europe/Berlin")
    row = one(batches)
    assert (row["event_name"], row["is_touch"], row["occurred_at"].hour) == ("track:signed_up", False, 10)
    assert identifiers(batches) == {("cookie", "ajs:a1", False)}  # a bot
    people = (
        "id,anonymous_id,user_id,email,first_name,last_name,received_at\n"
        "i1,a1,u1,ann@example.com,Ann,Lee,2026-03-01 10:00:00\n"
    )
    batches = read("segment", people)
    assert one(batches, "contact_record")["family_name"] == "Lee"
    assert ("email", "ann@example.com", True) in identifiers(batches)
    with pytest.raises(UnreadableFile, match="unknown_object"):
        read("segment", "id,colour\n1,red\n")
