"""SMS Backup & Restore XML: text and multimedia messages of a telephone, and its calls.

Emoji that the app writes as halves of a surrogate pair are joined before parsing; the document is read
as a stream, without entities. A message to several people names nobody in particular. Of a message's
text nothing is kept but whether it opts out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from customer360 import normalise
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table
from customer360.connectors.convert import offsets
from customer360.connectors.encodings import pieces
from customer360.connectors.stamps import parse_stamps
from customer360.normalise import Normalised

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_REFERENCE: Final = re.compile(rb"&#(x[0-9A-Fa-f]{1,6}|[0-9]{1,7});(?:&#(x[0-9A-Fa-f]{1,6}|[0-9]{1,7});)?")
_LAST_REFERENCE: Final = re.compile(rb"&#(x[0-9A-Fa-f]{1,6}|[0-9]{1,7});\Z")
_LONGEST_REFERENCE: Final = 12  # bytes
_CONTROLS: Final = bytes(sorted(set(range(32)) - {9, 10, 13}))  # XML allows none of these
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

_SMS_TYPES: Final = {
    "1": "inbound",
    "2": "outbound",
    "3": "not_sent",
    "4": "not_sent",
    "5": "not_sent",
    "6": "not_sent",
}
_MMS_TYPES: Final = {"128": "2", "130": "1", "132": "1"}  # sent, announced, received → types of a text message
# Of calls: taken, made, missed, to voice mail, declined, blocked.
_CALL_TYPES: Final = dict.fromkeys("13456", "inbound") | {"2": "outbound"}
_CALL_ENDS: Final = {"3": "no_answer", "4": "no_answer", "5": "busy", "6": "no_answer"}
_FROM, _TO = "137", "151"  # address types of a multimedia message
_STOP: Final = frozenset("stop stopall unsubscribe cancel end quit stopp arret arrêt abmelden baja td 退订".split())
_SERVICES: Final = ("short_code", "alpha_sender")
_ROWS: Final = 50_000
_RECENT: Final = 1 << 16  # bytes looked back for the beginning of a broken element


@register
class SmsBackup:
    """See the module's text."""

    name: ClassVar[str] = "sms_backup"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "sms"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most about 50,000 messages.

        What stands before a break is kept and the broken record refused as `truncated`. Raises
        UnreadableFile: empty, unknown_format, bad_xml (nothing before the break), entities_declared.
        """
        for file in delivery.files:
            yield from _read(file, _Builder(file.path, source, own))


@dataclass(slots=True)
class _Message:
    """One element: 'sms', 'mms' or 'call', its 1-based line, and (type, address) pairs of its ends."""

    element: str
    line: int
    attributes: dict[str, str]
    addresses: list[tuple[str, str]] = field(default_factory=list)

    def raw(self) -> bytes:
        members = " ".join(f"{name}={quoteattr(value)}" for name, value in self.attributes.items())
        return f"<{self.element} {members}/>".encode("utf-8", "surrogatepass")


class _Parser:
    """Collects messages from the stream; refuses documents that declare entities."""

    def __init__(self) -> None:
        self.messages: list[_Message] = []
        self.declared: int | None = None
        self.is_backup = False
        self._current: _Message | None = None
        self.expat = expat.ParserCreate()
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.EntityDeclHandler = self._entity

    def take(self) -> list[_Message]:
        taken, self.messages = self.messages, []
        return taken

    def _entity(self, *_: object) -> None:
        raise UnreadableFile("entities_declared", f"line {self.expat.CurrentLineNumber}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in {"smses", "calls"}:
            self.is_backup = True
            count = attributes.get("count", "")
            self.declared = int(count) if count.isdigit() else None
        elif name in {"sms", "mms", "call"}:
            self._current = _Message(name, self.expat.CurrentLineNumber, attributes)
        elif name == "addr" and self._current is not None:
            self._current.addresses.append((attributes.get("type", ""), attributes.get("address", "")))

    def _end(self, name: str) -> None:
        if self._current is not None and name == self._current.element:
            self.messages.append(self._current)
            self._current = None


def _read(file: InputFile, build: _Builder) -> Iterator[Batch]:
    parser = _Parser()
    recent, broken = b"", ""
    try:
        for piece in _repaired(file):
            recent = recent[-_RECENT:] + piece
            parser.expat.Parse(piece, False)
            if len(parser.messages) >= _ROWS:
                yield build.batch(parser.take())
        parser.expat.Parse(b"", True)
    except expat.ExpatError as error:
        broken = f"line {error.lineno}: {expat.errors.messages[error.code]}"
    if not parser.is_backup:
        raise UnreadableFile("bad_xml" if broken else "unknown_format", broken or "no smses or calls element")
    if broken and not build.read and not parser.messages:
        raise UnreadableFile("bad_xml", broken)
    short = parser.declared is not None and build.read + len(parser.messages) < parser.declared
    batch = build.batch(parser.take(), last_flag="truncated" if short else None)
    if broken:
        build.read += 1
        batch.rows_read += 1
        left = recent[max(0, recent.rfind(b"<")) :]
        line = parser.expat.ErrorLineNumber
        batch.rejected.append(Rejected(file.path, build.read, "truncated", line, broken, left))
    yield batch


# Text before the parser -----------------------------------------------------------------------------------


def _repaired(file: InputFile) -> Iterator[bytes]:
    """Pieces of the document, never cut inside a reference, with every reference one that XML allows."""
    rest, is_wide, is_empty = b"", False, True
    for piece in pieces(file):
        if is_empty:
            is_wide, is_empty = piece.startswith(_WIDE_MARKS), False
        if is_wide:
            yield piece
            continue
        piece = rest + piece.translate(None, _CONTROLS)
        cut = _safe_cut(piece)
        rest = piece[cut:]
        yield _REFERENCE.sub(_allowed, piece[:cut])
    if is_empty:
        raise UnreadableFile("empty", "0 bytes")
    yield _REFERENCE.sub(_allowed, rest)


def _safe_cut(piece: bytes) -> int:
    """Where `piece` can end: not within a reference, and not between the halves of a character."""
    end = len(piece)
    last = piece.rfind(b"&", max(0, end - _LONGEST_REFERENCE))
    if last >= 0 and b";" not in piece[last:]:
        end = last
    before = _LAST_REFERENCE.search(piece, max(0, end - _LONGEST_REFERENCE), end)
    return before.start() if before and 0xD800 <= _number(before[1]) <= 0xDBFF else end


def _allowed(match: re.Match[bytes]) -> bytes:
    """Two references that are halves of one character as one; what XML forbids as U+FFFD."""
    first, second = (_number(group) if group else None for group in match.groups())
    if first is None:
        return match[0]
    if second is not None and 0xD800 <= first <= 0xDBFF and 0xDC00 <= second <= 0xDFFF:
        return b"&#%d;" % (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    return b"".join(b"&#%d;" % (each if _is_allowed(each) else 0xFFFD) for each in (first, second) if each is not None)


def _number(reference: bytes) -> int:
    return int(reference[1:], 16) if reference.startswith(b"x") else int(reference)


def _is_allowed(code: int) -> bool:
    """A character of XML 1.0 (production 2)."""
    return code in {9, 10, 13} or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


# Rows -----------------------------------------------------------------------------------------------------


class _Builder:
    """Rows of one file; counts what was read and which made-up ids were given."""

    def __init__(self, path: str, source: Source, own: OwnIdentities) -> None:
        self.read = 0
        self._path, self._source, self._own = path, source, own
        self._given: dict[str, int] = {}

    def batch(self, messages: list[_Message], last_flag: str | None = None) -> Batch:
        """Rows of `messages`; `last_flag` is put on the last one that is kept."""
        stamps = parse_stamps([each.attributes.get("date") for each in messages], self._source)
        missing = stamps.unreadable | stamps.instant.is_null().to_numpy(zero_copy_only=False)
        rows: list[dict[str, Any]] = []
        identifiers: list[dict[str, Any]] = []
        rejected: list[Rejected] = []
        kept: list[int] = []
        for index, message in enumerate(messages):
            number = self.read + index + 1
            direction = _direction(message)
            if missing[index] or direction not in {"inbound", "outbound"}:
                reason = "bad_timestamp" if missing[index] else direction
                rejected.append(Rejected(self._path, number, reason, message.line, None, message.raw()))
                continue
            row, known = self._row(message, direction, number)
            kept.append(index)
            rows.append(row)
            identifiers += known
        self.read += len(messages)
        if last_flag and rows:
            rows[-1]["flags"] = ",".join(filter(None, (rows[-1]["flags"], last_flag)))
        tables = {}
        if rows:
            at = stamps.instant.take(pa.array(kept, pa.int64()))
            moments = {"occurred_at": at, "utc_offset_minutes": offsets(at, self._source)}
            tables["interaction"] = table("interaction", _columns(rows) | moments)
        if identifiers:
            tables["identifier"] = table("identifier", _columns(identifiers))
        return Batch(len(messages), tables, rejected)

    def _row(self, message: _Message, direction: str, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The interaction, but for its moment, and its identifiers."""
        attributes, is_call = message.attributes, message.element == "call"
        outside = self._outside(message, direction)
        group = len(outside) > 1
        service = not group and any(each.kind in _SERVICES for each in outside)
        stop = direction == "inbound" and (attributes.get("body") or "").strip().lower() in _STOP
        flags = (("group", group), ("short_code", service), ("opt_out", stop))
        bulk = service and not is_call
        row: dict[str, Any] = {
            "source_record_id": self._id(attributes, outside),
            "row_number": number,
            "channel": "phone" if is_call else "sms",
            "direction": direction,
            "event_name": "call" if is_call else "message",
            "duration_s": _duration(attributes) if is_call else None,
            "outcome": _call_end(attributes) if is_call else None,
            "interaction_class": "bulk" if bulk else "person",
            "is_touch": direction == "inbound" and not group and not bulk,
            "name_hint": None if group else _name(attributes.get("contact_name")),
            "flags": ",".join(flag for flag, there in flags if there) or None,
        }
        known = [
            {
                "source_record_id": row["source_record_id"],
                "row_number": number,
                "record_kind": "interaction",
                "identifier_type": "handle" if each.kind == "alpha_sender" else "phone",
                "identifier_value": each.value,
                "is_valid": each.is_valid and not group,
            }
            for each in outside
        ]
        return row, known

    def _outside(self, message: _Message, direction: str) -> list[Normalised]:
        """The other ends, each once: of `address`, or for want of it of the list of addresses."""
        stated = message.attributes.get("number" if message.element == "call" else "address") or ""
        given = [each for each in stated.split("~") if each and each != "null"]
        if not given:
            wanted = _FROM if direction == "inbound" else _TO
            given = [address for kind, address in message.addresses if kind == wanted]
            given = given or [address for _, address in message.addresses]
        found = {each.value: each for each in (normalise.phone(each, self._source.phone_region) for each in given)}
        return [each for value, each in found.items() if value and not self._own.owns_phone(value)]

    def _id(self, attributes: dict[str, str], outside: list[Normalised]) -> str:
        """The format has no id: moment, type and other side, and which of its like in the file it is."""
        kind = attributes.get("type") or attributes.get("msg_box") or attributes.get("m_type") or ""
        base = f"{attributes['date']}:{kind}:{'~'.join(sorted(each.value or '' for each in outside))}"
        self._given[base] = self._given.get(base, 0) + 1
        return base if self._given[base] == 1 else f"{base}:{self._given[base]}"


def _direction(message: _Message) -> str:
    """inbound, outbound, or why the message is none: not_sent, unknown_type."""
    kind = message.attributes.get("type", "")
    if message.element == "call":
        return _CALL_TYPES.get(kind, "unknown_type")
    if message.element == "mms":
        box = message.attributes.get("msg_box", "")
        kind = box if box in _SMS_TYPES else _MMS_TYPES.get(message.attributes.get("m_type", ""), "")
    return _SMS_TYPES.get(kind, "unknown_type")


def _call_end(attributes: dict[str, str]) -> str:
    answered = _duration(attributes) > 0 or attributes["type"] == "1"
    return _CALL_ENDS.get(attributes["type"]) or ("answered" if answered else "no_answer")


def _duration(attributes: dict[str, str]) -> int:
    seconds = attributes.get("duration", "")
    return int(seconds) if seconds.isdigit() else 0


def _name(name: str | None) -> str | None:
    """The name in the telephone's book; what the app writes for none, in any language, stands in brackets."""
    text = (name or "").strip()
    return None if text in {"", "null"} or re.fullmatch(r"\(.*\)", text) else text


def _columns(rows: list[dict[str, Any]]) -> dict[str, object]:
    return {name: [row[name] for row in rows] for name in rows[0]}
