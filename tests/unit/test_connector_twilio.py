"""Twilio calls and messages, as pages, lines, arrays and CSV, whole and broken."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deliveries import Bytes, identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile
from customer360.connectors.twilio_json import Again, read_pages
from customer360.sources import OwnIdentities

US = {"phone_region": "US"}
OWN = OwnIdentities(phones=frozenset({"+12025550100", "+12025550101"}), phone_prefixes=("+1312555",))


def call(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "sid": f"CA{number:032x}",
        "date_created": "Fri, 18 Oct 2019 17:00:00 +0000",
        "start_time": "Fri, 18 Oct 2019 17:02:00 +0000",
        "direction": "inbound",
        "from": "+13125550142",
        "to": "+12025550100",
        "status": "completed",
        "duration": "64",
        "price": "-0.0085",
        "price_unit": "usd",
        "caller_name": None,
        "answered_by": None,
        "parent_call_sid": None,
        "uri": "/not/read",
    } | fields


def message(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "sid": f"SM{number:032x}",
        "date_created": "Fri, 24 May 2019 17:44:46 +0000",
        "date_sent": "Fri, 24 May 2019 17:44:50 +0000",
        "direction": "inbound",
        "from": "+13125550142",
        "to": "+12025550100",
        "body": "hello",
        "status": "received",
        "price": None,
        "price_unit": "USD",
        "num_segments": "1",
        "error_code": None,
    } | fields


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_call_becomes_an_interaction_with_the_callers_number() -> None:
    batches = read("twilio", lines(call()), **US)
    row = one(batches)
    assert (
        row
        | {
            "source_record_id": f"CA{1:032x}",
            "row_number": 1,
            "channel": "phone",
            "direction": "inbound",
            "occurred_at": datetime(2019, 10, 18, 17, 2, tzinfo=UTC),
            "utc_offset_minutes": 0,
            "event_name": "call",
            "company_side": "+12025550100",
            "duration_s": 64,
            "outcome": "answered",
            "interaction_class": "person",
            "is_touch": True,
            "cost": Decimal("0.0085"),
            "currency": "USD",
            "flags": None,
            "subject": None,
        }
        == row
    )
    assert identifiers(batches) == {("phone", "+13125550142", True)}


@pytest.mark.parametrize(
    "content",
    [
        lines(call(1), call(2), call(3)),
        lines({"calls": [call(1), call(2)], "page": 0}, {"calls": [call(3)], "page": 1}),
        lines({"calls": [call(1), call(2), call(3)], "page": 0}).rstrip(b"\n"),
        json.dumps({"end": 2, "calls": [call(1), call(2), call(3)]}, indent=1).encode(),
        json.dumps([call(1), call(2), call(3)]).encode(),
        json.dumps([{"calls": [call(1)]}, {"calls": [call(2), call(3)]}], indent=2).encode(),
        b"\xef\xbb\xbf" + lines(call(1), call(2), call(3)),
        b"\r\n\n".join(lines(call(1), call(2), call(3)).split(b"\n")),
        gzip.compress(lines(call(1), call(2), call(3))),
        lines(call(1), call(2)) + lines({"messages": [], "calls": [call(3)]}),
    ],
    ids="lines page-lines one-page pretty array array-of-pages bom blank-lines gzip mixed".split(),
)
def test_every_arrangement_gives_the_same_records(content: bytes) -> None:
    batches = read("twilio", content, **US)
    assert [row["source_record_id"] for row in rows(batches)] == [f"CA{n:032x}" for n in (1, 2, 3)]
    assert [row["row_number"] for row in rows(batches)] == [1, 2, 3]
    assert reasons(batches) == []


def test_many_lines_over_blocks_keep_their_places_and_bytes() -> None:
    bad = {n: call(n, start_time="Wed, 30 Feb 2022 17:00:00 +0000") for n in (7_000, 17_000, 29_000)}
    delivered = [json.dumps(bad.get(n) or call(n)).encode() for n in range(1, 30_001)]
    delivered[99] = b"{cut"
    delivered.insert(50, b"")  # blank lines count as lines, not as records
    content = b"\n".join(delivered) + b"\n"
    assert len(content) > 2 * (4 << 20)
    for packed in (content, gzip.compress(content, 1)):
        batches = read("twilio", packed, **US)
        found = sorted((each for batch in batches for each in batch.rejected), key=lambda each: each.row_number)
        assert [(each.row_number, each.line, each.reason) for each in found] == [
            (100, 101, "bad_json"),
            *((n, n + 1, "bad_timestamp") for n in bad),
        ]
        assert [each.raw for each in found] == [b"{cut", *(json.dumps(each).encode() for each in bad.values())]
        assert [row["row_number"] for row in rows(batches)] == [
            n for n in range(1, 30_001) if n != 100 and n not in bad
        ]


def test_file_that_shrinks_while_it_is_read_is_told_and_not_waited_for() -> None:
    whole = Bytes(lines(*(call(n) for n in range(20_000))))
    with Again(whole) as again:
        pages = list(read_pages(whole, again))
        object.__setattr__(whole, "content", whole.content[: 1 << 20])
        with pytest.raises(UnreadableFile, match="changed_while_read"):
            pages[-1].raw(0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sid": None}, "missing_id"),
        ({"start_time": "soon"}, "bad_timestamp"),
        ({"start_time": None, "date_created": None}, "missing_timestamp"),
        ({"duration": "long"}, "bad_value"),
        ({"price": "free of charge"}, "bad_value"),
        ({"direction": None}, "missing_direction"),
        ({"direction": None, "from": None, "to": None}, "not_a_contact"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_and_the_rest_goes_on(fields: dict[str, Any], reason: str) -> None:
    batches = read("twilio", lines(call(1), call(2) | fields, call(3)), **US)
    assert reasons(batches) == [(2, reason)]
    assert batches[0].rejected[0].raw == json.dumps(call(2) | fields).encode()
    assert [row["row_number"] for row in rows(batches)] == [1, 3]
    assert {row["row_number"] for row in rows(batches, "identifier")} == {1, 3}


def test_broken_line_and_cut_end_are_refused() -> None:
    content = lines(call(1)) + b'{"sid": "CA2", "to"\n' + lines({"sid": 3}, call(4)) + b'{"sid": "CA5", "fr'
    batches = read("twilio", content, **US)
    assert reasons(batches) == [(2, "bad_json"), (3, "bad_json"), (5, "truncated")]
    found = {each.row_number: each for batch in batches for each in batch.rejected}
    assert (found[3].line, found[3].detail) == (3, "$.sid")
    assert found[5].raw == b'{"sid": "CA5", "fr'


@pytest.mark.parametrize("indent", [None, 1])
def test_cut_page_keeps_the_records_before_the_break(indent: int | None) -> None:
    whole = json.dumps({"calls": [call(n) for n in range(1, 6)], "page": 0}, indent=indent).encode()
    cut = whole[: whole.index(f"CA{5:032x}".encode())]
    batches = read("twilio", cut, **US)
    assert [row["row_number"] for row in rows(batches)] == [1, 2, 3, 4]
    (rejected,) = batches[0].rejected
    assert (rejected.row_number, rejected.reason) == (5, "truncated")
    assert cut.endswith(rejected.raw)
    assert rejected.raw.lstrip().startswith(b"{")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"calls": [{"sid": "CA1", "fro', "truncated"),
        (b"", "empty"),
        (b'{"accounts": [{"name": "x"}], "more": {"a": [1]}}', "unknown_format"),
        (gzip.compress(lines(*(call(n) for n in range(2000))))[:-2000], "truncated_archive"),
    ],
    ids=["one cut record", "empty", "something else", "cut archive"],
)
def test_file_of_which_nothing_can_be_used(content: bytes, reason: str, tmp_path: Path) -> None:
    from customer360.files import Landing

    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnreadableFile) as error:
        read("twilio", Landing(str(tmp_path)).file("file"), **US)
    assert error.value.reason == reason


def test_empty_page_is_a_file_without_records() -> None:
    batches = read("twilio", b'{"calls": [], "page": 0}', **US)
    assert sum(batch.rows_read for batch in batches) == 0


@pytest.mark.parametrize(
    ("fields", "direction", "customer"),
    [
        ({"direction": "outbound-api", "from": "+12025550100", "to": "+13125550142"}, "outbound", "+13125550142"),
        ({"direction": "Outgoing Dial", "from": "+12025550100", "to": "+13125550142"}, "outbound", "+13125550142"),
        ({"direction": "Incoming"}, "inbound", "+13125550142"),
        ({"direction": "trunking-originating"}, "inbound", "+13125550142"),
        # Stated from the platform's side, but the customer's end is plain from whose numbers are whose.
        ({"direction": "inbound", "from": "+12025550100", "to": "+13125550142"}, "outbound", "+13125550142"),
        ({"direction": "outbound-dial", "from": "+13125550142", "to": "+12025550101"}, "inbound", "+13125550142"),
        ({"direction": None, "from": "+12025550100", "to": "+13125550142"}, "outbound", "+13125550142"),
        ({"direction": None}, "inbound", "+13125550142"),
        ({"direction": "outbound-dial", "from": "+12025550100", "to": "+12025550101"}, "internal", None),
        ({"direction": "inbound", "from": "client:agent7", "to": "+13125550142"}, "internal", None),
        ({"direction": "inbound", "from": "sip:200@pbx.example.com", "to": "+13125550142"}, "internal", None),
    ],
)
def test_direction_and_customers_side(fields: dict[str, Any], direction: str, customer: str | None) -> None:
    own = OwnIdentities(phones=OWN.phones)
    batches = read("twilio", lines(call() | fields), own=own, **US)
    row = one(batches)
    assert row["direction"] == direction
    assert row["interaction_class"] == ("internal" if customer is None else "person")
    assert row["is_touch"] == (direction == "inbound")
    assert identifiers(batches) == ({("phone", customer, True)} if customer else set())


def test_own_number_blocks_are_never_a_customer() -> None:
    batches = read("twilio", lines(call()), own=OWN, **US)
    assert one(batches)["interaction_class"] == "internal"
    assert identifiers(batches) == set()


def test_leg_to_an_agent_is_part_of_the_callers_call() -> None:
    parent = f"CA{1:032x}"
    leg = {"direction": "outbound-dial", "from": "+13125550142", "to": "+12025550199", "parent_call_sid": parent}
    agent = f"CA{5:032x}"
    dialled = {"direction": "outbound-dial", "from": "+12025550100", "to": "+13125550143", "parent_call_sid": agent}
    content = lines(
        call(3, **leg), call(2, **leg), call(1), call(4, **dialled), call(5, **{"from": "client:agent7", "to": ""})
    )
    batches = read("twilio", content, own=OwnIdentities(phones=OWN.phones), **US)
    assert batches[0].collapsed == {3: 2}
    assert [(row["row_number"], row["direction"]) for row in rows(batches)] == [
        (3, "inbound"),
        (4, "outbound"),
        (5, "internal"),
    ]
    assert identifiers(batches) == {("phone", "+13125550142", True), ("phone", "+13125550143", True)}


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("+266696687", set()),
        ("", set()),
        ("anonymous", set()),
        ("client:someone", {("handle", "client:someone", False)}),
        ("28849", {("phone", "28849", False)}),
        ("+19005551", {("phone", "+19005551", False)}),
        ("whatsapp:+13125550142", {("phone", "+13125550142", True)}),
    ],
)
def test_senders_that_identify_and_those_that_do_not(sender: str, expected: set[tuple[str, str, bool]]) -> None:
    batches = read("twilio", lines(message(**{"from": sender})), **US)
    assert len(rows(batches)) == 1
    assert identifiers(batches) == expected


def test_messages_from_codes_are_bulk_and_no_touch() -> None:
    batches = read("twilio", lines(message(1, **{"from": "28849"}), message(2)), **US)
    first, second = rows(batches)
    assert (first["interaction_class"], first["is_touch"], first["flags"]) == ("bulk", False, "short_code")
    assert (second["interaction_class"], second["is_touch"], second["flags"]) == ("person", True, None)


def test_call_from_a_code_is_a_persons_but_identifies_nobody() -> None:
    batches = read("twilio", lines(call(**{"from": "28849"})), **US)
    row = one(batches)
    assert (row["interaction_class"], row["is_touch"], row["flags"]) == ("person", True, "short_code")
    assert identifiers(batches) == {("phone", "28849", False)}


@pytest.mark.parametrize("body", ["STOP", " stop ", "Arrêt", "UNSUBSCRIBE", "退订"])
def test_opt_out_is_all_that_is_kept_of_a_text(body: str) -> None:
    batches = read("twilio", lines(message(1, body=body), message(2, body="please stop calling me")), **US)
    assert [row["flags"] for row in rows(batches)] == ["opt_out", None]
    assert "stop calling" not in str(rows(batches))
    out = {"direction": "outbound-api", "from": "+12025550100", "to": "+13125550142"}
    assert one(read("twilio", lines(message(body=body, **out)), **US))["flags"] is None


def test_outcomes_in_the_contracts_words() -> None:
    stated = ["completed", "no-answer", "canceled", "busy", "failed", "in-progress", None]
    batches = read("twilio", lines(*(call(n, status=status) for n, status in enumerate(stated))), **US)
    assert [row["outcome"] for row in rows(batches)] == [
        "answered", "no_answer", "no_answer", "busy", "failed", "in_progress", None,
    ]  # fmt: skip
    assert one(read("twilio", lines(message(status="undelivered")), **US))["outcome"] == "undelivered"


def test_answering_machine_is_flagged() -> None:
    assert one(read("twilio", lines(call(answered_by="machine_start")), **US))["flags"] == "machine"


def test_console_exports() -> None:
    content = (
        "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit\n"
        '12025550100,13125550142,"Your table, as asked",delivered,2019-03-05T22:33:44Z,2010-04-01,1,0,AC0,SM1,outbound-api,-0.0075,USD\n'
    )
    row = one(read("twilio", content, **US))
    assert (row["channel"], row["direction"], row["company_side"]) == ("sms", "outbound", "+12025550100")
    assert row["occurred_at"] == datetime(2019, 3, 5, 22, 33, 44, tzinfo=UTC)
    spaced = (
        "Call Sid;Start Time;Direction;From;To;Status;Duration;Price;Price Unit;Unheard Of\n"
        "CA1;2019-03-05 22:33:44;Incoming;+1 312 555 0142;+12025550100;No Answer;0;;;x\n"
    )
    batches = read("twilio", spaced, zone="America/New_York", currency="EUR", **US)
    row = one(batches)
    assert (row["channel"], row["outcome"], row["currency"], row["cost"]) == ("phone", "no_answer", "EUR", None)
    assert row["occurred_at"] == datetime(2019, 3, 5, 22, 33, 44, tzinfo=UTC)
    assert identifiers(batches) == {("phone", "+13125550142", True)}


def test_numbers_where_the_api_writes_text() -> None:
    row = one(read("twilio", lines(call(duration=64, price=-0.0085)), **US))
    assert (row["duration_s"], row["cost"]) == (64, Decimal("0.0085"))


def test_csv_rejects_keep_their_line() -> None:
    content = "sid,start_time,direction,from,to,duration\nCA1,2022-02-30 17:23:13.000000 UTC,inbound,1,2,0\nCA2\n"
    batches = read("twilio", content, **US)
    assert reasons(batches) == [(1, "bad_timestamp"), (2, "bad_width")]
    assert {each.line for each in batches[0].rejected} == {2, 3}


@pytest.mark.parametrize(
    ("file", "good", "refused"),
    [
        ("phone/twilio_call_data.csv", 8, ["bad_timestamp"]),
        ("phone/twilio_incoming_phone_number_data.csv", 0, ["not_a_contact"]),
        ("sms/twilio_message_data.csv", 10, []),
        ("phone/twilio_calls_api_example.json", 4, []),
        ("sms/twilio_messages_api_example.json", 2, []),
    ],
)
def test_real_files_to_the_row(samples: Path, file: str, good: int, refused: list[str]) -> None:
    batches = read("twilio", samples / file, **US)
    assert [reason for _, reason in reasons(batches)] == refused
    assert len(rows(batches)) == good
    assert all(row["occurred_at"].year in range(2010, 2027) for row in rows(batches))
