"""Mail: mbox files, .eml files and Maildir folders, by what the bytes are.

A message is one interaction. Inbound mail carries its sender as the customer; outbound mail carries its
recipient, if it has exactly one outside the company: several do not make one person. Lists, automatic
replies and bounces are told apart and are no touches. Nothing of a body is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from hashlib import sha256
from typing import IO, TYPE_CHECKING, ClassVar, Final

from customer360 import normalise
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_MESSAGES: Final = 5_000
_CLOCK_AHEAD: Final = timedelta(minutes=5)
_YEARS: Final = range(1980, 2100)
_CHARSETS: Final = {
    "default_charset": "utf-8",
    "default": "utf-8",
    "unknown-8bit": "latin-1",
    "unknown": "latin-1",
    "x-unknown": "latin-1",
    "chinesebig5": "big5",
    "gb2312_charset": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "utf8": "utf-8",
    "cp-850": "cp850",
}
_AUTO_SUBJECT: Final = re.compile(
    r"^\s*(?:auto(?:matic)?[ -]?(?:reply|response)|out of (?:the )?office|abwesen|automatische antwort|"
    r"réponse automatique|respuesta automática|自动回复)",
    re.IGNORECASE,
)
_DAEMON: Final = re.compile(r"^(?:mailer-daemon|postmaster|mail-daemon|bounces?)\b", re.IGNORECASE)
_AUTO_REPLIES: Final = ("X-Autoreply", "X-Autorespond", "X-Autoresponder")
_ROBOT: Final = re.compile(r"^(?:no-?_?reply|do-?not-?reply|notifications?|alerts?|robot)\b", re.IGNORECASE)


@register
class Mail:
    """See the module's text."""

    name: ClassVar[str] = "mail"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "mail"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 5,000 messages, numbered through all files of the delivery."""
        rows = _Rows(own)
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
            start = stream.read(5)
        if not start:
            if len(files) == 1:
                raise UnreadableFile("empty", "0 bytes")
            yield file.path, None, b""
        elif start == b"From ":
            with file.open() as stream:
                for line, raw in split_mbox(stream):
                    yield file.path, line, raw
        else:
            with file.open() as stream:
                yield file.path, None, stream.read()


def split_mbox(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """(1-based line of its `From ` line, message) of an mbox; quoted `>From ` lines are unquoted.

    A `From ` line separates only at the start of the file or after a blank line, as mail programs
    that do not quote rely on.
    """
    lines: list[bytes] = []
    first, blank = 1, True
    for number, line in enumerate(stream, 1):
        if blank and line.startswith(b"From ") and re.match(rb"From \S+.*\d{4}", line):
            if lines:
                yield first, b"".join(lines)
            lines, first = [], number
        else:
            lines.append(line[1:] if re.match(rb">+From ", line) else line)
        blank = line in (b"\n", b"\r\n")
    if lines:
        yield first, b"".join(lines)


@dataclass(slots=True)
class _Party:
    address: str
    valid: bool
    name: str | None


class _Rows:
    """Columns being filled; `batch` hands them over and starts anew, numbers going on."""

    def __init__(self, own: OwnIdentities) -> None:
        self.own = own
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
        message = message_from_bytes(raw)
        reason, mail = _read(raw, message, self.own)
        if mail is None:
            self.rejected.append(Rejected(path, self.number, reason, line, None, raw))
            return
        row = {"row_number": self.number, **mail.row}
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        for party in mail.parties:
            identifier = {
                "source_record_id": mail.row["source_record_id"],
                "row_number": self.number,
                "record_kind": "interaction",
                "identifier_type": "email",
                "identifier_value": party.address,
                "is_valid": party.valid,
            }
            for name, value in identifier.items():
                self.identifiers.setdefault(name, []).append(value)


@dataclass(slots=True)
class _Mail:
    row: dict[str, object]
    parties: list[_Party] = field(default_factory=list)


def _read(raw: bytes, message: Message, own: OwnIdentities) -> tuple[str, _Mail | None]:
    """(reason, None) for a message that cannot be used, else ('', mail)."""
    senders = _parties(message, "From") or _parties(message, "Sender") or _parties(message, "Return-Path")
    kind = _class(message, senders)
    if not senders and kind != "bounce":
        return "no_sender", None
    at, offset, flags = _when(message)
    if at is None:
        return "bad_timestamp", None
    outside = _distinct(party for party in _recipients(message) if not own.owns_email(party.address))
    outbound = bool(senders) and own.owns_email(senders[0].address)
    if outbound and not outside:
        kind = "internal"
    parties = _customers(senders, outside, outbound, kind)
    if outbound and len(outside) > 1:
        flags.append("several_recipients")
    direction = "internal" if kind == "internal" else "outbound" if outbound else "inbound"
    ours = senders[:1] if outbound else _recipients(message)
    company = [party.address for party in ours if own.owns_email(party.address)]
    identifier = (_header(message, "Message-ID") or "").strip().strip("<>") or f"sha256:{sha256(raw).hexdigest()[:32]}"
    row: dict[str, object] = {
        "source_record_id": identifier,
        "channel": "email",
        "direction": direction,
        "occurred_at": at,
        "utc_offset_minutes": offset,
        "event_name": "mail",
        "company_side": company[0] if company else None,
        "subject": _header(message, "Subject"),
        "interaction_class": kind,
        "is_touch": direction == "inbound" and kind == "person",
        "name_hint": (parties[0].name if len(parties) == 1 else None),
        "flags": ",".join(flags) or None,
    }
    return "", _Mail(row, parties)


def _customers(senders: list[_Party], outside: list[_Party], outbound: bool, kind: str) -> list[_Party]:
    """The customer's side; addresses that must not link are kept as not valid."""
    if kind == "internal":
        return []
    parties = outside if outbound else senders[:1]
    links = (len(parties) == 1 and kind in {"person", "auto_reply"}) or (outbound and len(parties) == 1)
    return [_Party(party.address, party.valid and links, party.name) for party in parties]


def _class(message: Message, senders: list[_Party]) -> str:
    """person, bulk, auto_reply, bounce or bot, by what mail programs write for each other."""
    local = senders[0].address.partition("@")[0] if senders else ""
    told = str(message.get("Content-Type", "")).lower()
    report = message.get_content_type() == "multipart/report" and "delivery-status" in told
    empty_path = str(message.get("Return-Path", "")).strip() == "<>"
    if report or _DAEMON.match(local) or (empty_path and not senders):
        return "bounce"
    precedence = str(message.get("Precedence", "")).strip().lower()
    auto = str(message.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    replied = auto == "auto-replied" or precedence == "auto_reply" or _has(message, *_AUTO_REPLIES)
    if replied or _AUTO_SUBJECT.match(_header(message, "Subject") or ""):
        return "auto_reply"
    if _has(message, "List-Id", "List-Unsubscribe", "List-Post") or precedence in {"bulk", "list", "junk"}:
        return "bulk"
    return "bot" if auto == "auto-generated" or _ROBOT.match(local) else "person"


def _has(message: Message, *names: str) -> bool:
    return any(message.get(name) for name in names)


def _when(message: Message) -> tuple[datetime | None, int | None, list[str]]:
    """(UTC, offset in minutes, flags): the Date, unless it is unreadable or later than the receipt."""
    receipts = (_date(str(each).rpartition(";")[2]) for each in message.get_all("Received", []))
    received = next((at for at in receipts if at is not None), None)
    stated = _date(str(message.get("Date", "")))
    flags: list[str] = []
    if stated is None:
        flags.append("date_from_receipt")
        stated = received
    elif received is not None and stated - received > _CLOCK_AHEAD:
        flags.append("clock_ahead")
        stated = received
    if stated is None:
        return None, None, flags
    offset = stated.utcoffset() or timedelta()
    return stated.astimezone(UTC), int(offset.total_seconds() // 60), flags


def _date(text: str) -> datetime | None:
    """A mail's stamp; None if it is unreadable or of an implausible year."""
    try:
        found = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)  # -0000: UTC, the zone unknown
    return aware if aware.year in _YEARS else None


def _recipients(message: Message) -> list[_Party]:
    return _distinct(party for name in ("To", "Cc", "Bcc", "Delivered-To") for party in _parties(message, name))


def _parties(message: Message, name: str) -> list[_Party]:
    values = [_decode(str(value)) for value in message.get_all(name, [])]
    found = []
    for display, address in getaddresses([value for value in values if value]):
        known = normalise.email(address)
        if known.value is not None and "@" in known.value:
            found.append(_Party(known.value, known.is_valid, display.strip() or None))
    return found


def _distinct(parties: Iterator[_Party] | list[_Party]) -> list[_Party]:
    return list({party.address: party for party in reversed(list(parties))}.values())[::-1]


def _header(message: Message, name: str) -> str | None:
    value = message.get(name)
    return None if value is None else _decode(str(value))


def _decode(value: str) -> str:
    """Header text: encoded words decoded, unknown charsets by their alias, else Latin-1; one line."""
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError):
        parts = [(value, None)]
    text = "".join(_part(part, charset) for part, charset in parts)
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(text.replace("\0", "").split())


def _part(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    name = (charset or "ascii").lower()
    for codec in (_CHARSETS.get(name, name), "utf-8"):
        try:
            return part.decode(codec)
        except (LookupError, UnicodeDecodeError):
            continue
    return part.decode("latin-1")


__all__ = ["Mail", "split_mbox"]
