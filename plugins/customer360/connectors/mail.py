"""Mail: mbox files, .eml files and Maildir folders, by what the bytes are.

A message is one interaction. Inbound mail carries its sender as the customer; outbound mail carries its
recipient, if it has exactly one outside the company: several do not make one person. Lists, automatic
replies and bounces are told apart, and are no touches. Nothing of a body is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, Final

from customer360 import normalise
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table
from customer360.connectors.mail_headers import Headers, Moment, decode, mailboxes, read_date, read_headers, split_mbox

if TYPE_CHECKING:
    from datetime import tzinfo

    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_MESSAGES: Final = 5_000
_CLOCK_AHEAD: Final = timedelta(minutes=5)
_CLOCK_BEHIND: Final = timedelta(days=366)  # mail is late by days; by more than a year, its clock is wrong
_EMLX: Final = re.compile(rb"\d+\s*\r?\n")  # Apple Mail puts the length before the message
_LIST: Final = ("list-id", "list-post", "mailing-list", "x-mailing-list", "x-mailman-version", "x-beenthere")
_BULK: Final = ("list-unsubscribe", "feedback-id", "x-campaign-id", "x-campaignid")
_BULK_PRECEDENCE: Final = frozenset({"bulk", "list", "junk"})
_AUTO_REPLIES: Final = ("x-autoreply", "x-autorespond", "x-autoresponder")
_AUTO_SUBJECT: Final = re.compile(
    r"^\s*(?:auto(?:matic|mated)?[ -]?(?:reply|response|antwort)\b|out of (?:the )?office(?:\s*$|\s*[:(–-]|"
    r" (?:auto|re\b|reply|message|notification|notice|response))|abwesenheit|abwesend|automatische antwort|"
    r"réponse automatique|respuesta automática|risposta automatica|resposta automática|automatisch antwoord|"
    r"automatyczna odpowiedź|autosvar|автоответ|自动回复|自動回覆|自动答复|自動返信|自動応答)",
    re.IGNORECASE,
)
_DAEMON: Final = re.compile(r"^(?:mailer-?daemon|mail-?daemon|mail\.?delivery)\b", re.IGNORECASE)
_MAYBE_DAEMON: Final = re.compile(r"^(?:postmaster|bounces?)\b", re.IGNORECASE)
_UNDELIVERED: Final = re.compile(
    r"undeliver|not be delivered|delivery (?:status|failure|failed|report|has failed)|failure notice|returned mail|"
    r"mail delivery failed|unzustellbar|nicht zugestellt|non remis|退信|无法投递",
    re.IGNORECASE,
)
_ROBOT: Final = re.compile(
    r"^(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|notifications?|alerts?|robot|cron|daemon)\b", re.IGNORECASE
)
_MAILBOX_DATA: Final = re.compile(r"FOLDER INTERNAL DATA")  # what IMAP servers keep in an mbox for themselves


@register
class Mail:
    """See the module's text."""

    name: ClassVar[str] = "mail"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "mail"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 5,000 messages, numbered through all files of the delivery.

        Refused: empty, not_a_message (no header at all), not_a_contact (an IMAP server's own notes in an
        mbox), no_sender, bad_timestamp. Raises UnreadableFile('empty' | 'not_mail') for a single file.
        """
        rows = _Rows(own, source.timezone)
        for path, line, raw in _messages(delivery.files):
            rows.add(path, line, raw)
            if rows.read >= _MESSAGES:
                yield rows.batch()
        if rows.read:
            yield rows.batch()


def _messages(files: tuple[InputFile, ...]) -> Iterator[tuple[str, int | None, bytes]]:
    """(file, first line in an mbox, message) of every message."""
    for file in files:
        with file.open() as stream:
            start = stream.read(4096)
        if not start and len(files) == 1:
            raise UnreadableFile("empty", "0 bytes")
        with file.open() as stream:
            if start.lstrip(b"\xef\xbb\xbf\r\n").startswith(b"From "):
                for line, raw in split_mbox(stream):
                    yield file.path, line, raw
                continue
            raw = stream.read()
        length = _EMLX.match(raw)
        raw = raw[length.end() :] if length else raw
        if len(files) == 1 and not read_headers(raw).fields:
            raise UnreadableFile("not_mail", "no header field before the first blank line")
        yield file.path, None, raw


class _Rows:
    """Columns being filled; `batch` hands them over and starts anew, numbers going on."""

    def __init__(self, own: OwnIdentities, zone: tzinfo) -> None:
        self.own = own
        self.zone = zone
        self.number = 0
        self._clear()

    def _clear(self) -> None:
        self.read = 0
        self.rejected: list[Rejected] = []
        self.columns: dict[str, list[object]] = {}
        self.identifiers: dict[str, list[object]] = {}

    def batch(self) -> Batch:
        tables = {}
        if self.columns:
            tables["interaction"] = table("interaction", dict(self.columns))
        if self.identifiers:
            tables["identifier"] = table("identifier", dict(self.identifiers))
        batch = Batch(self.read, tables, self.rejected)
        self._clear()
        return batch

    def add(self, path: str, line: int | None, raw: bytes) -> None:
        self.number += 1
        self.read += 1
        reason, mail = read_message(raw, self.own, self.zone)
        if mail is None:
            self.rejected.append(Rejected(path, self.number, reason, line, None, raw))
            return
        _append(self.columns, {"row_number": self.number, **mail.row})
        for party in mail.parties:
            identifier = {
                "source_record_id": mail.row["source_record_id"],
                "row_number": self.number,
                "record_kind": "interaction",
                "identifier_type": "email",
                "identifier_value": party.address,
                "is_valid": party.valid,
            }
            _append(self.identifiers, identifier)


def _append(columns: dict[str, list[object]], row: dict[str, object]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


# One message --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Party:
    """One side of a message: address normalised; not `valid`: kept, never used to link."""

    address: str
    valid: bool
    name: str | None


@dataclass(slots=True)
class MailRow:
    """One message: columns of `interaction` but its row number, and the customer's side."""

    row: dict[str, object]
    parties: list[Party] = field(default_factory=list)


def read_message(raw: bytes, own: OwnIdentities, zone: tzinfo) -> tuple[str, MailRow | None]:
    """(reason, None) for a message that cannot be used, else ('', mail). `zone` is that of dates without one."""
    headers = read_headers(raw)
    if not headers.fields:
        return ("not_a_message" if raw.strip() else "empty"), None
    subject = headers.text("subject")
    if subject and "x-imap" in headers and _MAILBOX_DATA.search(subject):
        return "not_a_contact", None
    senders = _parties(headers.all("from"))
    kind = _class(headers, senders[0].address if senders else "", subject or "")
    if not senders and kind != "bounce":
        return "no_sender", None
    moment, flags = _when(headers, zone)
    if moment is None:
        return "bad_timestamp", None
    return "", _row(headers, raw, own, senders, kind, subject, moment, flags)


def _row(
    headers: Headers,
    raw: bytes,
    own: OwnIdentities,
    senders: list[Party],
    kind: str,
    subject: str | None,
    moment: Moment,
    flags: list[str],
) -> MailRow:
    recipients = _parties(value for name in ("to", "cc", "bcc") for value in headers.all(name))
    outside = [party for party in recipients if not own.owns_email(party.address)]
    # An own server's report of a bounce comes in, though the company sent it to itself.
    outbound = bool(senders) and own.owns_email(senders[0].address) and kind != "bounce"
    if outbound and recipients and not outside:
        kind = "internal"
    if outbound and len(outside) > 1:
        flags.append("several_recipients")
    direction = "internal" if kind == "internal" else "outbound" if outbound else "inbound"
    theirs = [party for party in senders[:1] if not own.owns_email(party.address)]
    parties = [] if kind == "internal" else outside if outbound else theirs
    links = len(parties) == 1 and _names_a_person(headers, kind, outbound)
    received = _parties(value for name in ("delivered-to", "x-original-to") for value in headers.all(name))
    ours = senders[:1] if outbound else [*recipients, *received]
    company = [party.address for party in ours if own.owns_email(party.address)]
    row: dict[str, object] = {
        "source_record_id": _identifier(headers, raw),
        "channel": "email",
        "direction": direction,
        "occurred_at": moment.at,
        "utc_offset_minutes": moment.offset,
        "event_name": "mail",
        "company_side": company[0] if company else None,
        "subject": subject or None,
        "interaction_class": kind,
        "is_touch": direction == "inbound" and kind == "person",
        "name_hint": parties[0].name if len(parties) == 1 else None,
        "flags": ",".join(flags) or None,
    }
    return MailRow(row, [Party(party.address, party.valid and links, party.name) for party in parties])


def _names_a_person(headers: Headers, kind: str, outbound: bool) -> bool:
    """Whether the one address on the customer's side is a person's own.

    A newsletter of ours to one address is; what goes through a mailing list names the list.
    """
    if _has(headers, _LIST):
        return False
    return kind != "bounce" if outbound else kind in {"person", "auto_reply"}


def _identifier(headers: Headers, raw: bytes) -> str:
    """Message-ID, else a hash of the message, the same whatever its line ends and the file it came in."""
    stated = headers.raw("message-id")
    found = re.search(r"<([^<>]+)>", stated)
    identifier = "".join((found[1] if found else stated).split()).strip("<>")
    if identifier:
        return decode(identifier)
    if headers.envelope:
        raw = raw.lstrip(b"\xef\xbb\xbf\r\n").partition(b"\n")[2]
    return "sha256:" + sha256(raw.replace(b"\r\n", b"\n").strip()).hexdigest()


def _class(headers: Headers, sender: str, subject: str) -> str:
    """person, bulk, auto_reply, bounce or bot, by what mail programs write for each other."""
    local = sender.partition("@")[0]
    if _is_bounce(headers, local, subject):
        return "bounce"
    precedence = headers.raw("precedence").strip().lower()
    submitted = headers.raw("auto-submitted").partition(";")[0].strip().lower()
    receipt = "disposition-notification" in headers.raw("content-type").lower()  # the program says: was opened
    if submitted == "auto-replied" or precedence == "auto_reply" or receipt or _has(headers, _AUTO_REPLIES):
        return "auto_reply"
    if _AUTO_SUBJECT.match(subject):
        return "auto_reply"
    if _has(headers, _LIST) or _has(headers, _BULK) or precedence in _BULK_PRECEDENCE:
        return "bulk"
    return "bot" if submitted not in {"", "no"} or _ROBOT.match(local) else "person"


def _is_bounce(headers: Headers, local: str, subject: str) -> bool:
    """A report that a mail was not delivered."""
    content = headers.raw("content-type").lower()
    if ("multipart/report" in content and "delivery-status" in content) or "x-failed-recipients" in headers:
        return True
    if _DAEMON.match(local):
        return True
    nobody = headers.raw("return-path").strip() == "<>" or not local
    return bool((nobody or _MAYBE_DAEMON.match(local)) and _UNDELIVERED.search(subject))


def _has(headers: Headers, names: tuple[str, ...]) -> bool:
    return any(name in headers for name in names)


def _when(headers: Headers, zone: tzinfo) -> tuple[Moment | None, list[str]]:
    """When a message was sent, and flags: its Date, unless that is unreadable or cannot be.

    A Date later than the receipt is of a clock that runs ahead (clock_ahead), one over a year earlier of a
    clock that was never set (clock_behind): the receipt counts, and the sender's offset is kept.
    """
    receipts = (read_date(value.rpartition(";")[2], UTC) for value in headers.all("received") if ";" in value)
    receipt = next((moment for moment in receipts if moment is not None), None)
    stated = read_date(headers.raw("date"), zone)
    if stated is None:
        if receipt is not None:
            return receipt, ["date_from_receipt"]
        envelope = _envelope_date(headers.envelope)
        return envelope, ["date_from_envelope"] if envelope else []
    if receipt is not None and stated.at - receipt.at > _CLOCK_AHEAD:
        return Moment(receipt.at, stated.offset), ["clock_ahead"]
    if receipt is not None and receipt.at - stated.at > _CLOCK_BEHIND:
        return Moment(receipt.at, stated.offset), ["clock_behind"]
    return stated, []


def _envelope_date(line: str) -> Moment | None:
    """Date of an mbox separator line, which is in UTC (RFC 4155)."""
    date = re.search(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.*", line)
    return read_date(date[0], UTC) if date else None


def _parties(values: Iterable[str]) -> list[Party]:
    """Distinct addresses in order."""
    found: dict[str, Party] = {}
    for value in values:
        for address, name in mailboxes(value):
            known = normalise.email(address)
            if known.value is not None and "@" in known.value and known.value not in found:
                found[known.value] = Party(known.value, known.is_valid, None if name == address else name)
    return list(found.values())
