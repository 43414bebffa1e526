"""Mail: a real message, the forms mailboxes come in, and what senders get wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from deliveries import identifiers, one, read, reasons, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from customer360.connectors.base import UnreadableFile
from customer360.connectors.mail_headers import Mailbox, decode, mailboxes, read_date
from customer360.sources import OwnIdentities

OWN = OwnIdentities(domains=frozenset({"ours.example"}), emails=frozenset({"shop@example.net"}))
DATE = "Thu, 22 Aug 2002 12:36:23 +0200"
AT = datetime(2002, 8, 22, 10, 36, 23, tzinfo=UTC)
RECEIVED = "from mx.example.com by mail.ours.example with ESMTP id 1; Thu, 22 Aug 2002 12:36:30 +0200"


def mail(body: str = "Hello\n", **fields: str | None) -> str:
    """A message of a customer to us; `fields` add to its header or, as None, remove from it."""
    header: dict[str, str | None] = {
        "From": "Ann Lee <ann@example.com>",
        "To": "service@ours.example",
        "Date": DATE,
        "Subject": "Question",
        "Message-ID": "<1@example.com>",
    }
    header |= {name.replace("_", "-"): value for name, value in fields.items()}
    return "".join(f"{name}: {value}\n" for name, value in header.items() if value is not None) + "\n" + body


def test_the_real_message(samples: Path) -> None:
    batches = read("mail", samples / "email" / "webhooks" / "sample_email.txt")
    row = one(batches)
    expected = {
        "source_record_id": "20130503182626.18666.16540@example.com",
        "channel": "email",
        "direction": "inbound",
        "occurred_at": datetime(2013, 5, 3, 18, 26, 27, tzinfo=UTC),
        "utc_offset_minutes": 0,
        "event_name": "mail",
        "subject": "Test email",
        "interaction_class": "bulk",  # it has a List-Unsubscribe
        "is_touch": False,
        "name_hint": "Someone",
        "flags": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert identifiers(batches) == {("email", "someone@example.com", False)}


# Sides --------------------------------------------------------------------------------------------


def test_inbound_mail_is_its_senders() -> None:
    batches = read("mail", mail(Reply_To="other@example.com"), own=OWN)
    row = one(batches)
    assert (row["direction"], row["company_side"], row["name_hint"]) == ("inbound", "service@ours.example", "Ann Lee")
    assert (row["interaction_class"], row["is_touch"]) == ("person", True)
    assert identifiers(batches) == {("email", "ann@example.com", True)}


def test_outbound_mail_is_its_only_outside_recipients() -> None:
    text = mail(From="Kai <kai@ours.example>", To="Ann Lee <ann@example.com>", Cc="boss@ours.example, ANN@example.com")
    batches = read("mail", text, own=OWN)
    row = one(batches)
    assert (row["direction"], row["company_side"], row["name_hint"]) == ("outbound", "kai@ours.example", "Ann Lee")
    assert (row["is_touch"], row["flags"]) == (False, None)
    assert identifiers(batches) == {("email", "ann@example.com", True)}


def test_several_recipients_do_not_make_one_person() -> None:
    batches = read("mail", mail(From="shop@example.net", To="ann@example.com", Cc="bob@example.com"), own=OWN)
    assert one(batches)["flags"] == "several_recipients"
    assert identifiers(batches) == {("email", "ann@example.com", False), ("email", "bob@example.com", False)}


def test_mail_within_the_company_has_no_customer() -> None:
    batches = read("mail", mail(From="kai@ours.example", To="boss@ours.example"), own=OWN)
    assert (one(batches)["direction"], one(batches)["interaction_class"]) == ("internal", "internal")
    assert identifiers(batches) == set()


def test_outbound_mail_without_a_visible_recipient_is_not_internal() -> None:
    row = one(read("mail", mail(From="kai@ours.example", To="undisclosed-recipients:;"), own=OWN))
    assert (row["direction"], row["interaction_class"]) == ("outbound", "person")


@pytest.mark.parametrize(
    ("fields", "kind", "valid"),
    [
        ({}, "person", True),
        ({"List_Id": "<tools.lists.example.org>"}, "bulk", False),
        ({"List_Unsubscribe": "<https://example.com/u>"}, "bulk", False),
        ({"Precedence": "Bulk"}, "bulk", False),
        ({"Precedence": "junk"}, "bulk", False),
        ({"Auto_Submitted": "no"}, "person", True),
        ({"Auto_Submitted": "auto-replied; owner=x"}, "auto_reply", True),
        ({"Auto_Submitted": "auto-generated"}, "bot", False),
        ({"Precedence": "auto_reply"}, "auto_reply", True),
        ({"X_Autoreply": "yes"}, "auto_reply", True),
        ({"X_Autorespond": "1"}, "auto_reply", True),
        ({"Subject": "Automatische Antwort: Ihre Frage"}, "auto_reply", True),
        ({"Subject": "=?gb2312?B?19S2r7vYuLQ=?="}, "auto_reply", True),
        ({"Subject": "Out of Office"}, "auto_reply", True),
        ({"Subject": "Out of office chairs?"}, "person", True),
        ({"Subject": "Re: Out of Office: holidays"}, "person", True),
        ({"Content_Type": "multipart/report; report-type=disposition-notification"}, "auto_reply", True),
        ({"Content_Type": "multipart/report; report-type=delivery-status; boundary=b"}, "bounce", False),
        ({"X_Failed_Recipients": "gone@example.com"}, "bounce", False),
        ({"From": "Mail Delivery Subsystem <MAILER-DAEMON@example.com>"}, "bounce", False),
        ({"From": "postmaster@example.com", "Subject": "Undeliverable: Question"}, "bounce", False),
        ({"From": "postmaster@example.com"}, "person", True),
        ({"Return_Path": "<>", "Subject": "Delivery Status Notification (Failure)"}, "bounce", False),
        ({"Return_Path": "<>"}, "person", True),
        ({"From": "no-reply@example.com"}, "bot", False),
        ({"From": "noreplying@example.com"}, "person", True),
    ],
)
def test_classes(fields: dict[str, str], kind: str, valid: bool) -> None:
    batches = read("mail", mail(**fields), own=OWN)
    row = one(batches)
    assert (row["interaction_class"], row["is_touch"]) == (kind, kind == "person")
    assert {each for _, _, each in identifiers(batches)} == {valid}


def test_our_newsletter_to_one_address_names_it_but_a_list_does_not() -> None:
    ours = {"From": "kai@ours.example", "To": "ann@example.com"}
    newsletter = read("mail", mail(**ours, List_Unsubscribe="<https://ours.example/u>"), own=OWN)
    assert identifiers(newsletter) == {("email", "ann@example.com", True)}
    posting = read("mail", mail(**ours, List_Id="<tools.example.com>"), own=OWN)
    assert identifiers(posting) == {("email", "ann@example.com", False)}


def test_a_bounce_of_our_own_server_comes_in_and_names_nobody() -> None:
    batches = read("mail", mail(From="MAILER-DAEMON@ours.example", To="kai@ours.example"), own=OWN)
    assert (one(batches)["direction"], one(batches)["interaction_class"]) == ("inbound", "bounce")
    assert identifiers(batches) == set()


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "at", "offset", "flags"),
    [
        ({}, "2002-08-22 10:36:23", 120, None),
        ({"Received": RECEIVED}, "2002-08-22 10:36:23", 120, None),
        # Ahead of the receipt by an hour: clamped, the sender's offset kept. By five minutes: believed.
        (
            {"Received": RECEIVED, "Date": "Thu, 22 Aug 2002 05:36:30 -0600"},
            "2002-08-22 10:36:30",
            -360,
            "clock_ahead",
        ),
        ({"Received": RECEIVED, "Date": "Thu, 22 Aug 2002 12:41:30 +0200"}, "2002-08-22 10:41:30", 120, None),
        ({"Received": RECEIVED, "Date": "Tue, 1 Jan 1980 00:00:00 +0000"}, "2002-08-22 10:36:30", 0, "clock_behind"),
        ({"Received": RECEIVED, "Date": "Mon, 19 Aug 2002 12:00:00 +0200"}, "2002-08-19 10:00:00", 120, None),
        ({"Received": RECEIVED, "Date": None}, "2002-08-22 10:36:30", 120, "date_from_receipt"),
        ({"Received": RECEIVED, "Date": "yesterday"}, "2002-08-22 10:36:30", 120, "date_from_receipt"),
        ({"Received": RECEIVED, "Date": "Thu, 22 Aug 0002 1:1:1 +0000"}, "2002-08-22 01:01:01", 0, None),
    ],
)
def test_when_it_was_sent(fields: dict[str, str], at: str, offset: int | None, flags: str | None) -> None:
    row = one(read("mail", mail(**fields), own=OWN))
    assert (f"{row['occurred_at']:%Y-%m-%d %H:%M:%S}", row["utc_offset_minutes"], row["flags"]) == (at, offset, flags)


def test_the_separator_line_of_an_mbox_dates_a_message_without_date() -> None:
    row = one(read("mail", "From ann@example.com Thu Aug 22 12:36:23 2002\n" + mail(Date=None)))
    assert (row["occurred_at"].hour, row["flags"]) == (12, "date_from_envelope")


@pytest.mark.parametrize(
    ("text", "at", "offset"),
    [
        ("Thu, 22 Aug 2002 12:36:23 -0000", "12:36:23", None),  # UTC, from a place unknown
        ("Thu, 22 Aug 2002 12:36:23", "10:36:23", 120),  # no zone: the source's
        ("Thu, 22 Aug 2002 12:36:23 CEST", "10:36:23", 120),
        ("Thu, 22 Aug 2002 12:36 PDT", "19:36:00", -420),
        ("22 Aug 02 12:36:23 GMT", "12:36:23", 0),
        ("Thu, 22 Aug 102 12:36:23 +0000", "12:36:23", 0),  # a program that counts years from 1900
        ("Thu, 22 Aug 2002 12:36:23+0530", "07:06:23", 330),
        ("Thu, 22 Aug 2002 12:36:23 +05:30", "07:06:23", 330),
        ("Thu, 22 Aug 2002 12:36:60 +0000", "12:36:59", 0),
        ("Thu, 22 Aug 2002 12:36:23 +9900", "10:36:23", 120),  # no such zone
        ("Thu Aug 22 12:36:23 2002", "10:36:23", 120),
    ],
)
def test_dates(text: str, at: str, offset: int | None) -> None:
    moment = read_date(text, ZoneInfo("Europe/Berlin"))
    assert moment is not None
    assert (f"{moment.at:%Y-%m-%d %H:%M:%S}", moment.offset) == (f"2002-08-22 {at}", offset)


@pytest.mark.parametrize(
    "text", ["", "garbage", "Fri, 30 Feb 2010 10:00:00 +0000", "Thu, 1 Jan 1970 00:00:00 +0000", "1 Jan 9999 0:0 GMT"]
)
def test_dates_that_are_none(text: str) -> None:
    assert read_date(text, UTC) is None


# Header texts and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?R=C3=BCck?= =?utf-8?q?frage?= x", "Rückfrage x"),
        ("=?utf-8?B?4oI?= =?utf-8?B?rA==?=", "€"),  # a character cut in two, padding missing
        ("=?gb2312?B?suLK1A==?=", "测试"),
        ("=?DEFAULT_CHARSET?Q?Gr=C3=BCn?=", "Grün"),
        ("=?chinesebig5?B?tPq41Q==?=", "測試"),
        ("=?unknown-8bit?Q?Gr=FCn?=", "Grün"),
        ("=?us-ascii?Q?Gr=C3=BCn?=", "Grün"),  # bytes that contradict the charset
        ("=?utf-8?Q?Gr=FCn?=", "Grün"),
        ("=?utf-8*de?Q?Gr=C3=BCn?=", "Grün"),
        ("=?undefined?q?a?= =?hex?q?b?= =?utf-7?q?+2D0-?=", "ab?"),
        ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("two\n lines\x00", "two lines"),
    ],
)
def test_encoded_words(written: str, text: str) -> None:
    assert decode(written) == text


@pytest.mark.parametrize(
    ("charset", "codec"), [(None, "utf-8"), (None, "cp1252"), ("iso-8859-2", "iso-8859-2"), ("koi8-r", "koi8-r")]
)
def test_eight_bit_headers(charset: str | None, codec: str) -> None:
    subject = {"iso-8859-2": "Łódź", "koi8-r": "Привет"}.get(codec, "Grüße aus Köln")
    kind = f"text/plain; charset={charset}" if charset else None
    text = mail(Subject=subject, Content_Type=kind)
    assert one(read("mail", text.encode(codec)))["subject"] == subject


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@example.com", [("a@example.com", None)]),
        ("Ann Lee <a@example.com>", [("a@example.com", "Ann Lee")]),
        ('"Lee, Ann" <a@example.com>, b@example.com', [("a@example.com", "Lee, Ann"), ("b@example.com", None)]),
        ("Lee, Ann <a@example.com>", [("a@example.com", "Lee, Ann")]),
        ("=?utf-8?q?Lee=2C_Ann?= <a@example.com>", [("a@example.com", "Lee, Ann")]),
        ("=?utf-8?q?Ann_=3Ca=40example=2Ecom=3E?=", [("a@example.com", "Ann")]),
        ("a@example.com (Ann Lee)", [("a@example.com", "Ann Lee")]),
        ("ann at example.com (Ann Lee)", [("ann@example.com", "Ann Lee")]),
        ('"Ann <a@example.com>', [("a@example.com", "Ann")]),
        ('Friends: a@example.com, "B" <b@example.com>;', [("a@example.com", None), ("b@example.com", "B")]),
        ("a@example.com; b@example.com", [("a@example.com", None), ("b@example.com", None)]),
        ("<@relay.example:a@example.com>", [("a@example.com", None)]),
        ('"Say \\"hi\\"" <a@example.com>', [("a@example.com", 'Say "hi')]),
        ("undisclosed-recipients:;", []),
        ("Nobody <>", []),
        ("", []),
    ],
)
def test_addresses(value: str, expected: list[tuple[str, str | None]]) -> None:
    assert mailboxes(value) == [Mailbox(*each) for each in expected]


# Files --------------------------------------------------------------------------------------------

SEPARATOR = "From ann@example.com Thu Aug 22 12:36:23 2002\n"


def test_an_mbox_is_cut_at_its_separators_only() -> None:
    body = (
        "From here on it is text\n\nFrom the desk of Ann\nPhone: 1\n\nFrom now on, too: at 12:30 on 5 May 2002.\n\n"
        ">From quoted Thu Aug 22 12:36:23 2002\n\n"
        "From ann@example.com Thu Aug 22 12:36:23 2002\nbut no header follows\n\n"
    )
    text = "\n" + SEPARATOR + mail(body) + SEPARATOR + mail(Message_ID="<2@example.com>") + "\n"
    text += "From - Mon Jan 01 10:00:00 2001\n" + mail("", Message_ID="<3@example.com>", From="x")
    batches = read("mail", text)
    assert [row["source_record_id"] for row in rows(batches)] == ["1@example.com", "2@example.com"]
    assert reasons(batches) == [(3, "no_sender")]
    (refused,) = batches[0].rejected
    assert refused.line == text[: text.index("From - ")].count("\n") + 1
    assert refused.raw.startswith(b"From - Mon")


@pytest.mark.parametrize("change", [lambda text: text, lambda text: text.replace("\n", "\r\n")])
def test_a_message_without_id_has_the_same_one_in_every_form(change: Callable[[str], str]) -> None:
    plain = mail(Message_ID=None)
    single = one(read("mail", change(plain)))["source_record_id"]
    boxed = one(read("mail", change(SEPARATOR + plain + "\n")))["source_record_id"]
    assert single == boxed == one(read("mail", plain))["source_record_id"]
    assert single.startswith("sha256:")
    assert len(single) == len("sha256:") + 64


def test_a_folder_of_messages_is_one_delivery() -> None:
    files = [mail(), mail(Message_ID="<2@example.com>"), "", "no header here\n", SEPARATOR + mail(Message_ID="<3@x>")]
    batches = read("mail", *files)
    assert [row["row_number"] for row in rows(batches)] == [1, 2, 5]
    assert reasons(batches) == [(3, "empty"), (4, "not_a_message")]
    assert {each.file for each in batches[0].rejected} == {"in/file2", "in/file3"}


def test_many_messages_come_in_several_batches_numbered_on() -> None:
    text = "".join(SEPARATOR + mail(Message_ID=f"<{number}@example.com>") + "\n" for number in range(5_001))
    batches = read("mail", text)
    assert [batch.rows_read for batch in batches] == [5_000, 1]
    assert [row["row_number"] for row in rows(batches)] == list(range(1, 5_002))


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\x89PNG\r\n\x1a\n\0\0", "not_mail")])
def test_a_single_file_that_is_no_mail_is_refused_whole(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        read("mail", content)


def test_defective_headers() -> None:
    text = "not a field\n  nor its continuation\nSubject : spaced\nFROM:\n Ann\n\t<ann@example.com>\nDate: " + DATE
    row = one(read("mail", text))
    assert (row["subject"], row["name_hint"], row["occurred_at"]) == ("spaced", "Ann", AT)


def test_apple_mails_length_line_is_passed_over() -> None:
    assert one(read("mail", "315       \n" + mail()))["source_record_id"] == "1@example.com"


def test_an_imap_servers_own_notes_are_no_contact() -> None:
    notes = mail(Subject="DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA", X_IMAP="1 2")
    assert reasons(read("mail", SEPARATOR + notes)) == [(1, "not_a_contact")]


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", b"From: ", b"Date: ", b"Subject: =?", b"From a@b Thu Aug\n"]))
def test_no_bytes_break_it(junk: bytes, start: bytes) -> None:
    content = start + junk + b"\n" + mail().encode()
    assert sum(batch.rows_read for batch in read("mail", content, b"x", own=OWN)) >= 2


@settings(max_examples=300)
@given(
    st.text(max_size=80), st.sampled_from(["From", "To", "Date", "Subject", "Message-ID", "Received", "Content-Type"])
)
def test_no_header_breaks_it(value: str, name: str) -> None:
    text = f"{name}: {value}\n{mail()}"
    batches = read("mail", text.encode("utf-8", "surrogatepass"), b"x", own=OWN)
    assert sum(batch.rows_read for batch in batches) >= 1
