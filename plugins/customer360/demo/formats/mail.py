"""Mail: RFC 5322 messages for an mbox and for a Maildir, with what real mailboxes hold beside letters."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from customer360.demo.formats.desk import AGENTS, MAILBOXES, OWN_DOMAIN, Desk
from customer360.demo.people import Person
from customer360.demo.story import BERLIN, Event

KINDS: Final = frozenset({"mail_in", "mail_out", "newsletter", "auto_reply", "bounce", "list_mail", "role_mail"})
_SUBJECTS: Final = ("Rückfrage zu Ihrem Angebot", "Ersatzteil gesucht", "Lieferzeit?", "Danke für das Gespräch")
_TEXT: Final = "Guten Tag,\n\nFrom now on please use this address.\n\nMit freundlichen Grüßen\n"
_BOUNCE: Final = (
    "--b\nContent-Type: text/plain\n\nThe message could not be delivered.\n\n--b\n"
    "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n"
    "Final-Recipient: rfc822; gone@mail.example.com\nAction: failed\nStatus: 5.1.1\n\n--b--\n"
)


def to_support(event: Event) -> bool:
    """Whether a mail lands in the support team's Maildir instead of the common mailbox: one in eight letters."""
    return event.kind in {"mail_in", "mail_out", "auto_reply"} and event.at.second % 8 == 0


def mbox(desk: Desk, events: Iterable[Event]) -> bytes:
    """The common mailbox, quoted as mboxrd."""
    letters = (_letter(desk, event, "mailbox") for event in events if event.kind in KINDS and not to_support(event))
    return b"".join(b"From mailer@example.com Mon Jan  1 00:00:00 2024\n" + _quoted(each) + b"\n" for each in letters)


def maildir(desk: Desk, events: Iterable[Event], mark: str) -> dict[str, bytes]:
    """Members of the support team's Maildir by path: read ones in `cur`, one in five still in `new`."""
    members: dict[str, bytes] = {}
    for event in events:
        if event.kind in KINDS and to_support(event):
            name = f"{int(event.at.timestamp())}.M{desk.next():06d}P{mark.replace('-', '')}.mail"
            content = _letter(desk, event, "support_maildir")
            members[f"new/{name}" if desk.rng.random() < 0.2 else f"cur/{name}:2,S"] = content
    return members


def _quoted(letter: bytes) -> bytes:
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in letter.split(b"\n"))


def _letter(desk: Desk, event: Event, source: str) -> bytes:
    """One message as bytes; notes it under its Message-ID, or its own hash where it has none."""
    rng, person = desk.rng, event.person
    identifier = f"{rng.getrandbits(96):024x}@{OWN_DOMAIN if _ours(event) else 'mail.example.com'}"
    headers, body, tags = _content(desk, event)
    ahead = timedelta(hours=3) if event.kind == "mail_in" and rng.random() < 0.08 else timedelta()
    if ahead:
        tags.append("clock_ahead")
    at = event.at.astimezone(BERLIN)
    nameless = source == "support_maildir" and rng.random() < 0.01
    lines = [
        "Return-Path: <>" if event.kind == "bounce" else "Return-Path: <bounce@mail.example.com>",
        f"Received: from mx.example.com by mail.{OWN_DOMAIN}; {format_datetime(at)}",
        f"Date: {format_datetime(at + ahead)}",
        *headers,
        *([] if nameless else [f"Message-ID: <{identifier}>"]),
        "MIME-Version: 1.0",
    ]
    letter = ("\n".join(lines) + "\n\n" + body).encode()
    if nameless:
        tags.append("no_message_id")
        identifier = f"sha256:{sha256(letter.strip()).hexdigest()}"
    desk.note(source, "interaction", identifier, person, event, *tags)
    return letter


def _ours(event: Event) -> bool:
    return event.kind in {"mail_out", "newsletter"}


def _content(desk: Desk, event: Event) -> tuple[list[str], str, list[str]]:
    """(headers, body, phenomena) by the kind of mail."""
    rng, person = desk.rng, event.person
    to, plain = rng.choice(MAILBOXES), "Content-Type: text/plain; charset=utf-8"
    if person is None:
        return _nobody(desk, event, to, plain)
    them = f"{_display(person)} <{person.email}>"
    shared = ["couple_mailbox"] if "couple_mailbox" in person.notes else []
    if event.kind == "newsletter":
        extra = [f"List-Unsubscribe: <https://www.{OWN_DOMAIN}/abmelden>", "Precedence: bulk"]
        headers = [
            f"From: Nordlicht Werkzeuge <newsletter@{OWN_DOMAIN}>",
            f"To: {them}",
            "Subject: Neues im Monat",
            plain,
        ]
        return [*extra, *headers], "Angebote des Monats.\n", [*shared, "newsletter"]
    if event.kind == "mail_out":
        return [f"From: <{rng.choice(AGENTS)}>", f"To: {them}", _subject(rng.choice(_SUBJECTS)), plain], _TEXT, shared
    if event.kind == "auto_reply":
        subject = f"Subject: {rng.choice(('Automatische Antwort', 'Re: Ihre Anfrage'))}"
        headers = [f"From: {them}", f"To: {to}", subject, "Auto-Submitted: auto-replied", plain]
        return headers, "Ich bin nicht im Haus.\n", [*shared, "auto_reply"]
    several = [f"Cc: {MAILBOXES[1]}"] if to != MAILBOXES[1] and rng.random() < 0.1 else []
    return [f"From: {them}", f"To: {to}", *several, _subject(rng.choice(_SUBJECTS)), plain], _TEXT, shared


def _nobody(desk: Desk, event: Event, to: str, plain: str) -> tuple[list[str], str, list[str]]:
    """Mail that no single person wrote: a firm's mailbox, a list, a mail system."""
    if event.kind == "role_mail":
        account = event.data["account"]
        sender = f"{_encoded(account.name)} <info@{account.domain}>"
        return [f"From: {sender}", f"To: {to}", _subject("Bestellung"), plain], _TEXT, []
    if event.kind == "list_mail":
        headers = ["From: Werkzeugfreunde <list@lists.example.org>", "To: <tools@lists.example.org>"]
        return (
            [*headers, "List-Id: <tools.lists.example.org>", "Subject: [tools] Neues", plain],
            _TEXT,
            ["mailing_list"],
        )
    report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b"
    sender = "From: Mail Delivery Subsystem <mailer-daemon@mail.example.com>"
    return [sender, f"To: <{desk.rng.choice(AGENTS)}>", "Subject: Undeliverable", report], _BOUNCE, ["bounce"]


def _subject(text: str) -> str:
    return f"Subject: {_encoded(text)}"


def _display(person: Person) -> str:
    """Name as in a From line: the family's, where two share the mailbox."""
    return _encoded(f"Familie {person.family}" if "couple_mailbox" in person.notes else person.name)


def _encoded(text: str) -> str:
    """RFC 2047 encoded word where needed."""
    return text if text.isascii() else f"=?utf-8?b?{b64encode(text.encode()).decode()}?="
