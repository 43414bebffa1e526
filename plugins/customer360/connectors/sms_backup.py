"""SMS Backup & Restore XML: text and multimedia messages of a telephone.

Emoji that the app writes as halves of a surrogate pair are joined before parsing; the document is read
as a stream, without entities. A message to several people names nobody in particular.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final
from xml.parsers import expat

from customer360 import normalise
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table
from customer360.connectors.convert import offsets
from customer360.connectors.stamps import parse_epoch

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_PAIR: Final = re.compile(rb"&#(5\d{4});&#(5\d{4});")
_HALF: Final = re.compile(rb"&#(5[5-7]\d{3});")
_SENT: Final = {"1": "inbound", "2": "outbound"}
_NOT_SENT: Final = {"3": "draft", "4": "outbox", "5": "failed", "6": "queued"}
_MMS: Final = {"1": "1", "128": "2", "132": "1", "2": "2"}
_STOP: Final = frozenset({"stop", "stopp", "unsubscribe", "arret", "arrêt", "abmelden"})
_CHUNK: Final = 1 << 20
_ROWS: Final = 50_000


@register
class SmsBackup:
    """See the module's text."""

    name: ClassVar[str] = "sms_backup"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "sms"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 50,000 messages. Raises UnreadableFile if nothing before a break can be read."""
        for file in delivery.files:
            yield from _read(file, source, own)


class _Parser:
    """Collects messages from the stream; refuses documents that declare entities."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, dict[str, str], list[str]]] = []
        self.declared: int | None = None
        self.is_backup = False
        self.current: tuple[int, dict[str, str], list[str]] | None = None
        self.expat = expat.ParserCreate()
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.EntityDeclHandler = self.entity

    def entity(self, *_: object) -> None:
        raise UnreadableFile("entities_declared", f"line {self.expat.CurrentLineNumber}")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "smses":
            self.is_backup = True
            count = attributes.get("count", "")
            self.declared = int(count) if count.isdigit() else None
        elif name in {"sms", "mms"}:
            kind = (
                attributes.get("type")
                if name == "sms"
                else _MMS.get(attributes.get("m_type", attributes.get("msg_box", "")))
            )
            self.current = (self.expat.CurrentLineNumber, attributes | {"type": kind or ""}, [])
        elif name == "addr" and self.current is not None:
            self.current[2].append(attributes.get("address", ""))

    def end(self, name: str) -> None:
        if name in {"sms", "mms"} and self.current is not None:
            self.messages.append(self.current)
            self.current = None

    def take(self) -> list[tuple[int, dict[str, str], list[str]]]:
        taken, self.messages = self.messages, []
        return taken


def _read(file: InputFile, source: Source, own: OwnIdentities) -> Iterator[Batch]:
    parser = _Parser()
    read = 0
    broken: str | None = None
    seen: dict[str, int] = {}
    with file.open() as stream:
        try:
            for piece in _joined(stream):
                parser.expat.Parse(piece, False)
                if len(parser.messages) >= _ROWS:
                    batch = _batch(file.path, parser.take(), read, source, own, seen)
                    read += batch.rows_read
                    yield batch
            parser.expat.Parse(b"", True)
        except expat.ExpatError as error:
            broken = f"line {error.lineno}: {expat.errors.messages[error.code]}"
    if not parser.is_backup or (broken and not parser.messages and not read):
        raise UnreadableFile("bad_xml" if broken else "unknown_format", broken or "no smses element")
    batch = _batch(file.path, parser.take(), read, source, own, seen)
    if broken:
        batch.rows_read += 1
        number = read + batch.rows_read
        batch.rejected.append(Rejected(file.path, number, "truncated", parser.expat.CurrentLineNumber, broken))
    yield batch


def _joined(stream: IO[bytes]) -> Iterator[bytes]:
    """The bytes with surrogate pairs joined and lone halves replaced; never cut inside a reference."""
    rest = b""
    while piece := stream.read(_CHUNK):
        piece = rest + piece
        cut = max(piece.rfind(b">"), 0) + 1 if len(piece) >= _CHUNK else len(piece)
        piece, rest = piece[:cut], piece[cut:]
        yield _repair(piece)
    if rest:
        yield _repair(rest)


def _repair(piece: bytes) -> bytes:
    piece = _PAIR.sub(_join, piece)
    return _HALF.sub(lambda match: b"&#65533;" if 0xD800 <= int(match[1]) <= 0xDFFF else match[0], piece)


def _join(match: re.Match[bytes]) -> bytes:
    high, low = int(match[1]), int(match[2])
    if 0xD800 <= high <= 0xDBFF and 0xDC00 <= low <= 0xDFFF:
        return b"&#%d;" % (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return match[0]


def _batch(
    path: str,
    messages: list[tuple[int, dict[str, str], list[str]]],
    read: int,
    source: Source,
    own: OwnIdentities,
    seen: dict[str, int],
) -> Batch:
    rows: dict[str, list[Any]] = {}
    identifiers: dict[str, list[Any]] = {}
    rejected: list[Rejected] = []
    stamps: list[float] = []
    for number, (line, attributes, addresses) in enumerate(messages, read + 1):
        reason = _refusal(attributes)
        if reason is not None:
            raw = repr(sorted(attributes.items())).encode("utf-8", "surrogatepass")
            rejected.append(Rejected(path, number, reason, line, None, raw))
            continue
        stamp = int(attributes["date"])
        stamps.append(stamp)
        given = [each for each in (attributes.get("address") or "").split("~") if each and each != "null"] or addresses
        known = [normalise.phone(each, source.phone_region) for each in given]
        outside = [each for each in known if each.value and not own.owns_phone(each.value)]
        group = len(outside) > 1
        identifier = _id(attributes, outside, seen)
        _append(rows, _row(attributes, identifier, number, group))
        for each in outside:
            _append(
                identifiers,
                {
                    "source_record_id": identifier,
                    "row_number": number,
                    "record_kind": "interaction",
                    "identifier_type": "handle" if each.kind == "alpha_sender" else "phone",
                    "identifier_value": each.value,
                    "is_valid": each.is_valid and not group,
                },
            )
    tables = {}
    if rows:
        at = parse_epoch(stamps, "ms")
        columns = rows | {"occurred_at": at, "utc_offset_minutes": offsets(at, source)}
        tables["interaction"] = table("interaction", columns)
    if identifiers:
        tables["identifier"] = table("identifier", identifiers)
    return Batch(len(messages), tables, rejected)


def _refusal(attributes: dict[str, str]) -> str | None:
    if not attributes.get("date", "").isdigit():
        return "bad_timestamp"
    kind = attributes["type"]
    if kind in _NOT_SENT:
        return "not_sent"
    return None if kind in _SENT else "unknown_type"


def _row(attributes: dict[str, str], identifier: str, number: int, group: bool) -> dict[str, object]:
    inbound = attributes["type"] == "1"
    name = attributes.get("contact_name")
    opt_out = inbound and (attributes.get("body") or "").strip().lower() in _STOP
    return {
        "source_record_id": identifier,
        "row_number": number,
        "channel": "sms",
        "direction": _SENT[attributes["type"]],
        "event_name": "message",
        "interaction_class": "person",
        "is_touch": inbound and not group,
        "name_hint": None if group or name in (None, "", "null", "(Unknown)") else name,
        "flags": ",".join(flag for flag, there in (("group", group), ("opt_out", opt_out)) if there) or None,
    }


def _id(attributes: dict[str, str], outside: list[normalise.Normalised], seen: dict[str, int]) -> str:
    """The format has no id: moment, type and number, and which of its like in the file it is."""
    base = f"{attributes['date']}:{attributes['type']}:{'~'.join(sorted(each.value or '' for each in outside))}"
    seen[base] = seen.get(base, 0) + 1
    return base if seen[base] == 1 else f"{base}:{seen[base]}"


def _append(columns: dict[str, list[Any]], row: dict[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)
