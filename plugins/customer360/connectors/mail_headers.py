"""Headers of mail as the world writes them: mailboxes cut into messages, texts decoded, addresses and dates.

Nothing here raises for what a message contains: what cannot be read is None, or kept as written.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_tz
from typing import IO, Final, NamedTuple

# What mail programs call charsets, where Python knows them by another name or not at all; the Chinese and
# Korean ones are read by their supersets, which senders use under the old names.
_CHARSETS: Final = {
    "default_charset": "utf-8",
    "default": "utf-8",
    "unicode": "utf-8",
    "unknown-8bit": "cp1252",
    "unknown": "cp1252",
    "x-unknown": "cp1252",
    "ansi": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "x-sjis": "shift_jis",
    "chinesebig5": "big5",
    "x-big5": "big5",
    "gb2312_charset": "gb18030",
    "gb2312": "gb18030",
    "gb-2312": "gb18030",
    "x-gbk": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "cp-850": "cp850",
}
_HEAD_LIMIT: Final = 1 << 20  # bytes of headers that are looked at
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n|\r\r")
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_SEPARATOR: Final = re.compile(rb"From .*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d\d?:\d\d.*\d{4}")
_NEXT: Final = re.compile(rb"[!-9;-~]+:|>From ")  # what follows the separator line of a message
_QUOTED_FROM: Final = re.compile(rb">+From ")

_WORD: Final = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
# Two bytes of a Chinese character in GB18030 are both high, those of an accented letter and the next are not.
_TWO_BYTES: Final = re.compile(rb"[\x81-\xfe]([\x40-\x7e\x80-\xfe])")
_BETWEEN_WORDS: Final = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)

_TOKEN: Final = re.compile(
    r'"(?P<quoted>(?:\\.|[^"\\])*)"|\((?P<comment>(?:\\.|[^()\\]|\([^()]*\))*)\)|<(?P<angle>[^<>]*)>|'
    r'(?P<end>[,;])|(?P<text>[^",;()<>]+)|.',
    re.DOTALL,
)
_SPELT: Final = re.compile(r"^\s*(\S+) at (\S+\.\S+?)\s*(?:\((.*)\))?\s*$")  # as list archives hide '@'
_BARE: Final = re.compile(r"[^\s:\[\]]+@[^\s\[\]]+")

_OFFSET: Final = re.compile(r"(?:\s|:\d\d)([+-])(\d\d):?(\d\d)\b")
_ZONE: Final = re.compile(r"\b([A-Z]{1,5})\b(?:\s+\d{4})?\s*(?:\(.*)?$")
_ZONES: Final = {  # hours east; names of several zones (IST, CST of China, AST) by RFC 5322 or not at all
    **{"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0},
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7},
    **{"BST": 1, "CET": 1, "MET": 1, "WEST": 1, "CEST": 2, "MEST": 2, "EET": 2, "EEST": 3, "MSK": 3},
    **{"HKT": 8, "SGT": 8, "JST": 9, "KST": 9},
}
_LARGEST_OFFSET: Final = 14 * 60  # minutes
_YEARS: Final = range(1980, 2100)


# Mailboxes ----------------------------------------------------------------------------------------


def split_mbox(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """(1-based line of its separator, message with it) of an mbox; quoted `>From ` lines are unquoted.

    A separator line stands at the start or after a blank line, bears a date, and a header field follows:
    a paragraph of a body that begins with 'From ' is none, whether the writer quoted it or not.
    """
    lines: list[bytes] = []
    first, candidate, blank = 1, b"", True
    number = 0
    for number, line in enumerate(stream, 1):
        if candidate:
            if _NEXT.match(line) and lines:
                yield first, b"".join(lines)
                lines, first = [], number - 1
            lines.append(candidate)
            candidate = b""
        if blank and (_SEPARATOR.match(line) if lines else line.startswith(b"From ")):
            candidate, blank = line, False
            first = first if lines else number
            continue
        blank = line in (b"\n", b"\r\n")
        if lines or not blank:
            lines.append(line[1:] if line[:1] == b">" and _QUOTED_FROM.match(line) else line)
    lines.append(candidate)
    if any(lines):
        yield first, b"".join(lines)


# Fields -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Headers:
    """Fields of one message by lower-case name, unfolded, as bytes; `envelope` is the mbox separator line."""

    fields: dict[str, list[bytes]] = field(default_factory=dict)
    envelope: str = ""

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def all(self, name: str) -> list[str]:
        """Values of every field `name`, encoded words left in; 8-bit bytes by the message's charset."""
        return [self._text(value) for value in self.fields.get(name, ())]

    def raw(self, name: str) -> str:
        """Value of the first field `name`, encoded words left in; '' if there is none."""
        values = self.fields.get(name)
        return self._text(values[0]) if values else ""

    def text(self, name: str) -> str | None:
        """Value of the first field `name`, decoded to one line."""
        return decode(self.raw(name)) if name in self.fields else None

    def _text(self, value: bytes) -> str:
        try:
            return value.decode("ascii")
        except UnicodeDecodeError:
            charset = _CHARSET.search(b" ".join(self.fields.get("content-type", ())).decode("latin-1"))
            return _decoded(value, "utf-8", charset[1] if charset else None)


def read_headers(message: bytes) -> Headers:
    """Header fields of a message; lines before the first blank one that are no fields are passed over."""
    head = message[:_HEAD_LIMIT].lstrip(b"\xef\xbb\xbf\r\n")
    end = _BLANK_LINE.search(head)
    headers = Headers()
    current: list[bytes] | None = None
    for line in (head[: end.start()] if end else head).splitlines():
        if line[:1] in (b" ", b"\t"):
            if current:
                current[-1] += b" " + line.strip()
            continue
        match = _FIELD.match(line)
        if match is not None:
            current = headers.fields.setdefault(match[1].decode("ascii").lower(), [])
            current.append(match[2].strip())
            continue
        current = None
        if line.startswith(b"From ") and not headers.fields:
            headers.envelope = line.decode("latin-1")
    return headers


def decode(value: str) -> str:
    """Header text with its encoded words decoded (RFC 2047); one line, no invisible control characters.

    Words of one charset that follow each other are decoded together: senders cut characters in two.
    """
    if "=?" in value:
        value = _words(_BETWEEN_WORDS.sub(r"\1", value))
    value = value.encode("utf-8", "replace").decode("utf-8")
    return " ".join(value.replace("\0", "").split())


def _words(value: str) -> str:
    out: list[str] = []
    pending, pending_charset, place = b"", "", 0
    for match in _WORD.finditer(value):
        charset = match[1].partition("*")[0].lower()
        if place != match.start() or charset != pending_charset:
            out += [_decoded(pending, pending_charset), value[place : match.start()]]
            pending, pending_charset = b"", charset
        pending += _word_bytes(match[2], match[3])
        place = match.end()
    return "".join([*out, _decoded(pending, pending_charset), value[place:]])


def _word_bytes(form: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if form in "qQ":
        return binascii.a2b_qp(raw, header=True)
    digits = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _decoded(raw: bytes, *charsets: str | None) -> str:
    """`raw` by the first of `charsets` that reads it, else UTF-8, Chinese where it looks so, Western."""
    ends = _TWO_BYTES.findall(raw)
    chinese = 2 * sum(end >= b"\xa1" for end in ends) > len(ends)
    for charset in (*charsets, "utf-8", "gb18030" if chinese else "cp1252"):
        name = (charset or "").lower().strip("\"'")
        try:
            return raw.decode(_CHARSETS.get(name, name))
        except (LookupError, ValueError):  # no such charset, or not this text's
            continue
    return raw.decode("latin-1")


# Addresses ----------------------------------------------------------------------------------------


class Mailbox(NamedTuple):
    """One address as written, and the name displayed with it."""

    address: str
    name: str | None


def mailboxes(value: str) -> list[Mailbox]:
    """Addresses of a From, To or Cc field, in order; what has no '@' is none.

    Reads what strict parsers do not: commas in unquoted names, quotes left open, groups, whole fields in
    one encoded word, and 'name at host' of list archives.
    """
    spelt = _SPELT.match(value) if "@" not in value else None
    if spelt:
        return [Mailbox(f"{spelt[1]}@{spelt[2]}", decode(spelt[3] or "") or None)]
    found = _scan(value)
    return found if found or "=?" not in value else _scan(decode(value))


def _scan(value: str) -> list[Mailbox]:
    found: list[Mailbox] = []
    parts: dict[str, list[str]] = {"quoted": [], "comment": [], "angle": [], "text": []}
    before = ""  # the part of an unquoted name that stands before a comma

    def flush(end: str) -> None:
        nonlocal before
        address, name = _mailbox(parts)
        if address:
            found.append(Mailbox(address, decode(f"{before}{name}").strip("\"' ") or None))
        before = f"{name}, " if name and not address and end == "," else ""
        for each in parts.values():
            each.clear()

    for token in _TOKEN.finditer(value):
        kind = token.lastgroup
        if kind == "end":
            flush(token["end"])
        elif kind:
            parts[kind].append(token[kind])
    flush("")
    return found


def _mailbox(parts: dict[str, list[str]]) -> tuple[str | None, str]:
    """(address, name) of what stands between two commas."""
    quoted = re.sub(r"\\(.)", r"\1", " ".join(parts["quoted"]))
    text = " ".join(" ".join(parts["text"]).split())
    name = " ".join(part for part in (quoted, text) if part)
    for angle in reversed(parts["angle"]):
        if "@" in angle:
            return angle.rpartition(":")[2].strip(), name or " ".join(parts["comment"])
    if text.startswith("@") and quoted:
        return f'"{quoted}"{text}', ""
    bare = _BARE.search(text)
    if bare:
        return bare[0], quoted or " ".join(parts["comment"])
    if "@" in quoted and not text:
        return quoted, ""
    return None, name


# Dates --------------------------------------------------------------------------------------------


class Moment(NamedTuple):
    """An instant in UTC, and the offset in minutes it was written in; None if that was not said."""

    at: datetime
    offset: int | None


def read_date(text: str, zone: tzinfo) -> Moment | None:
    """A mail's date; None if it is unreadable or of an implausible year.

    '-0000' is UTC from a place unknown (RFC 5322); a date without any zone is local to `zone`.
    """
    parts = _date_parts(text)
    if parts is None:
        return None
    minutes = _offset(text)
    try:
        local = datetime(*parts, tzinfo=zone if minutes is None else timezone(timedelta(minutes=minutes)))
        at = local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if at.year not in _YEARS:
        return None
    said = None if "-0000" in text else int((local.utcoffset() or timedelta()).total_seconds() // 60)
    return Moment(at, said)


def _date_parts(text: str) -> tuple[int, int, int, int, int, int] | None:
    """Year, month, day, hour, minute, second."""
    try:
        found = parsedate_tz(text.strip())
    except (ValueError, IndexError, TypeError, OverflowError):  # the parser's answers to garbage
        return None
    if found is None:
        return None
    year, month, day, hour, minute, second = found[:6]
    # Programs of the 1990s counted years from 1900 and wrote 102 for 2002.
    return year + 1900 if 100 <= year < 200 else year, month, day, hour, minute, min(second, 59)


def _offset(text: str) -> int | None:
    """Minutes east of UTC that a date states; None if it does not, or states nonsense."""
    number = _OFFSET.search(text)
    if number is not None:
        minutes = int(number[2]) * 60 + int(number[3])
        return None if minutes > _LARGEST_OFFSET else -minutes if number[1] == "-" else minutes
    name = _ZONE.search(text.strip())
    hours = _ZONES.get(name[1]) if name else None
    return None if hours is None else hours * 60
