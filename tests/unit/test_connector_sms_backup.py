"""Backups of a telephone's messages and calls, whole, cut, and with the references no parser takes."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from deliveries import Bytes, identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile
from customer360.connectors.sms_backup import _repaired
from customer360.sources import OwnIdentities

GB: dict[str, Any] = {"phone_region": "GB", "zone": "Europe/London"}
NUMBER = "020 7946 0123"
E164 = ("phone", "+442079460123", True)


def sms(**attributes: str) -> str:
    given = {
        "protocol": "0",
        "address": NUMBER,
        "date": "1721480400000",
        "type": "1",
        "subject": "null",
        "body": "hello",
        "toa": "null",
        "readable_date": "20 Jul 2024 14:00:00",
        "contact_name": "A. Friend",
    } | attributes
    return f"<sms {' '.join(f'{name}={quoteattr(value)}' for name, value in given.items())} />"


def mms(addresses: str = "", **attributes: str) -> str:
    given = {
        "date": "1721480400000",
        "msg_box": "1",
        "m_type": "132",
        "address": NUMBER,
        "contact_name": "null",
    } | attributes
    members = " ".join(f"{name}={quoteattr(value)}" for name, value in given.items())
    return (
        f'<mms {members}><parts><part seq="0" ct="image/png" data="aGVsbG8=" /></parts><addrs>{addresses}</addrs></mms>'
    )


def backup(*messages: str, count: int | None = None, root: str = "smses") -> str:
    head = "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n<?xml-stylesheet type=\"text/xsl\" href=\"sms.xsl\"?>\n"
    return (
        head
        + f'<{root} count="{len(messages) if count is None else count}">\n'
        + "\n".join(messages)
        + f"\n</{root}>\n"
    )


@pytest.mark.parametrize("packed", [False, True])
def test_message_becomes_an_interaction(packed: bool) -> None:
    content = backup(sms()).encode()
    batches = read("sms_backup", gzip.compress(content) if packed else content, **GB)
    row = one(batches)
    assert (
        row
        | {
            "source_record_id": "1721480400000:1:+442079460123",
            "row_number": 1,
            "channel": "sms",
            "direction": "inbound",
            "occurred_at": datetime(2024, 7, 20, 13, 0, tzinfo=UTC),
            "utc_offset_minutes": 60,
            "event_name": "message",
            "subject": None,
            "interaction_class": "person",
            "is_touch": True,
            "name_hint": "A. Friend",
            "flags": None,
        }
        == row
    )
    assert identifiers(batches) == {E164}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (sms(type="1"), "inbound"),
        (sms(type="2"), "outbound"),
        (mms(msg_box="1"), "inbound"),
        (mms(msg_box="2", m_type="128"), "outbound"),
        (mms(msg_box="null", m_type="128"), "outbound"),
        (mms(msg_box="null", m_type="132"), "inbound"),
        (mms(msg_box="null", m_type="130"), "inbound"),
    ],
)
def test_directions(message: str, expected: str) -> None:
    row = one(read("sms_backup", backup(message), **GB))
    assert (row["direction"], row["is_touch"]) == (expected, expected == "inbound")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (sms(type="3"), "not_sent"),
        (sms(type="4"), "not_sent"),
        (sms(type="5"), "not_sent"),
        (sms(type="6"), "not_sent"),
        (mms(msg_box="3", m_type="128"), "not_sent"),
        (sms(type="9"), "unknown_type"),
        (sms(date="null"), "bad_timestamp"),
        (sms(date="0"), "bad_timestamp"),
        (sms(date="20 Jul 2999"), "bad_timestamp"),
    ],
)
def test_what_is_no_message_is_refused(message: str, reason: str) -> None:
    batches = read("sms_backup", backup(sms(), message, sms(date="1721480401000")), **GB)
    assert reasons(batches) == [(2, reason)]
    (rejected,) = batches[0].rejected
    assert rejected.line == 5
    assert rejected.raw.startswith(b"<sms " if message.startswith("<sms") else b"<mms ")
    assert [row["row_number"] for row in rows(batches)] == [1, 3]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"&#55357;&#56838;", "😆".encode()),
        (b"&#xD83D;&#xde06;", "😆".encode()),
        (b"&#55357;&#55357;&#56838;", None),
        (b"&#55357;", "\ufffd".encode()),
        (b"&#0;&#11;&#65535;", "\ufffd\ufffd\ufffd".encode()),
        (b"a\x00b\x0bc", b"abc"),
        (b"&#10;&amp;&#228;", None),
    ],
)
def test_references_that_no_parser_takes(written: bytes, meant: bytes | None) -> None:
    content = backup(sms(contact_name="NAME")).encode().replace(b"NAME", b"x" + written + b"y")
    batches = read("sms_backup", content, **GB)
    name = one(batches)["name_hint"]
    if meant is not None:
        assert name == "x" + meant.decode() + "y"


def test_references_are_joined_wherever_the_stream_is_cut() -> None:
    text = b"<a b='" + b"&#55357;&#56838;&#10;&amp;" * 300_000 + b"'/>"
    for shift in range(0, 20, 3):
        content = b" " * shift + text
        joined = b"".join(_repaired(Bytes(content)))
        assert joined.count(b"&#128518;") == 300_000
        assert joined.count(b"&#") == 600_000


def test_group_message_names_nobody() -> None:
    batches = read("sms_backup", backup(sms(address="02079460123~02079460124")), **GB)
    row = one(batches)
    assert (row["flags"], row["is_touch"], row["name_hint"]) == ("group", False, None)
    assert identifiers(batches) == {("phone", "+442079460123", False), ("phone", "+442079460124", False)}


def test_own_numbers_and_repeated_ones_make_no_group() -> None:
    own = OwnIdentities(phones=frozenset({"+442079460100"}))
    batches = read("sms_backup", backup(mms(address="02079460123~+442079460123~02079460100")), own=own, **GB)
    assert one(batches)["flags"] is None
    assert identifiers(batches) == {E164}


@pytest.mark.parametrize(("box", "number"), [("1", "+442079460123"), ("2", "+442079460124")])
def test_ends_of_a_multimedia_message_without_address(box: str, number: str) -> None:
    ends = '<addr type="137" address="02079460123" /><addr type="151" address="02079460124" />'
    batches = read("sms_backup", backup(mms(ends, address="null", msg_box=box)), **GB)
    assert identifiers(batches) == {("phone", number, True)}


@pytest.mark.parametrize("address", ["-1", "-2", "null", "", "insert-address-token", "Unknown"])
def test_withheld_sender_is_kept_without_identifier(address: str) -> None:
    batches = read("sms_backup", backup(sms(address=address)), **GB)
    assert len(rows(batches)) == 1
    assert identifiers(batches) == set()


@pytest.mark.parametrize(
    ("address", "known"), [("28849", ("phone", "28849", False)), ("PARCELS", ("handle", "parcels", False))]
)
def test_services_write_in_bulk(address: str, known: tuple[str, str, bool]) -> None:
    batches = read("sms_backup", backup(sms(address=address)), **GB)
    row = one(batches)
    assert (row["interaction_class"], row["is_touch"], row["flags"]) == ("bulk", False, "short_code")
    assert identifiers(batches) == {known}


@pytest.mark.parametrize("name", ["(Unknown)", "(Unbekannt)", "null", ""])
def test_no_name_in_the_book(name: str) -> None:
    assert one(read("sms_backup", backup(sms(contact_name=name)), **GB))["name_hint"] is None


def test_opt_out_is_all_that_is_kept_of_a_text() -> None:
    batches = read(
        "sms_backup", backup(sms(body=" Stop "), sms(body="do not stop", date="1"), sms(body="STOP", type="2")), **GB
    )
    assert [row["flags"] for row in rows(batches)] == ["opt_out", None]
    assert "do not stop" not in str(rows(batches))


def test_equal_messages_have_ids_of_their_own_that_do_not_change() -> None:
    first = [row["source_record_id"] for row in rows(read("sms_backup", backup(sms(), sms(), sms(type="2")), **GB))]
    assert len(set(first)) == 3
    again = [row["source_record_id"] for row in rows(read("sms_backup", backup(sms(), sms(), sms(type="2")), **GB))]
    assert again == first


def test_calls_of_the_telephone() -> None:
    ends = [("1", "12"), ("2", "30"), ("2", "0"), ("3", "0"), ("5", "0"), ("6", "0")]
    calls = [
        f'<call number="{NUMBER}" duration="{s}" date="172148040{n}000" type="{kind}" contact_name="x" />'
        for n, (kind, s) in enumerate(ends)
    ]
    batches = read("sms_backup", backup(*calls, root="calls"), **GB)
    assert [(row["direction"], row["outcome"], row["duration_s"]) for row in rows(batches)] == [
        ("inbound", "answered", 12),
        ("outbound", "answered", 30),
        ("outbound", "no_answer", 0),
        ("inbound", "no_answer", 0),
        ("inbound", "busy", 0),
        ("inbound", "no_answer", 0),
    ]
    assert {row["channel"] for row in rows(batches)} == {"phone"}
    assert identifiers(batches) == {E164}


def test_cut_file_keeps_what_stands_before_the_break() -> None:
    content = backup(*(sms(date=f"17214804{n:05d}") for n in range(20)))
    cut = content[: content.rindex("toa=")]
    batches = read("sms_backup", cut, **GB)
    assert len(rows(batches)) == 19
    (rejected,) = batches[-1].rejected
    assert (rejected.row_number, rejected.reason, rejected.line) == (20, "truncated", 23)
    assert cut.encode().endswith(rejected.raw)
    assert rejected.raw.startswith(b"<sms ")
    assert rows(batches)[-1]["flags"] == "truncated"


def test_fewer_messages_than_declared_are_told() -> None:
    flags = [row["flags"] for row in rows(read("sms_backup", backup(sms(), sms(date="1721480401000"), count=3), **GB))]
    assert flags == [None, "truncated"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (backup(sms())[:150], "bad_xml"),
        ("<feed><entry/></feed>", "unknown_format"),
        ("id,name\n1,x\n", "bad_xml"),
        ("", "empty"),
        (
            '<!DOCTYPE smses [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><smses count="1">' + sms(body="x") + "</smses>",
            "entities_declared",
        ),
        ('<!DOCTYPE smses [<!ENTITY f SYSTEM "file:///etc/hostname">]><smses count="0"></smses>', "entities_declared"),
    ],
)
def test_files_of_which_nothing_can_be_used(content: str, reason: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        read("sms_backup", content, **GB)
    assert error.value.reason == reason


def test_utf16_backup() -> None:
    content = backup(sms(contact_name="Zoë")).replace("UTF-8", "UTF-16").encode("utf-16")
    assert one(read("sms_backup", content, **GB))["name_hint"] == "Zoë"


def test_many_messages_come_in_several_batches() -> None:
    content = backup(*(sms(date=str(1721480400000 + n)) for n in range(52_000)))
    batches = read("sms_backup", content, **GB)
    assert len(batches) > 1
    assert [row["row_number"] for row in rows(batches)] == list(range(1, 52_001))
