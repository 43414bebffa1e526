"""Twilio's JSON: API pages, pages or records one a line, arrays, as columns of text.

Line by line in blocks where every line is a document, so that a file of any size needs little
memory; else as one document, of which a cut end loses only the record it cuts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any, Final

import msgspec
import pyarrow as pa

from customer360.connectors.base import InputFile, Rejected, UnreadableFile

_BLOCK: Final = 1 << 20  # small enough to stay in the processor's cache while it is taken apart
_BOM: Final = b"\xef\xbb\xbf"
_KEYS: Final = ("calls", "messages")
_LIST_START: Final = re.compile(r'"(?:calls|messages)"\s*:\s*\[')

Scalar = str | int | float | None


class Resource(msgspec.Struct, gc=False):
    """A call or message, by the API's names and those of warehouse copies; the rest is not read."""

    sid: str | None = None
    id: str | None = None
    start_time: str | None = None
    date_sent: str | None = None
    date_created: str | None = None
    created_at: str | None = None
    direction: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    status: str | None = None
    duration: Scalar = None
    price: Scalar = None
    price_unit: str | None = None
    caller_name: str | None = None
    answered_by: str | None = None
    parent_call_sid: str | None = None
    parent_call_id: str | None = None
    body: str | None = None


class Line(Resource, gc=False):
    """A line or document: a record, or a page of them."""

    calls: list[Resource] | None = None
    messages: list[Resource] | None = None


# Records, and the bytes of the one at an index.
Found = tuple[list[Resource], Callable[[int], bytes]]

COLUMNS: Final = (
    "id", "sent", "direction", "from", "to", "status", "duration", "price", "price_unit",
    "caller_name", "answered_by", "parent", "body",
)  # fmt: skip


@dataclass
class Page:
    """A stretch of records: `columns` (see COLUMNS) of text, their places, and those refused."""

    columns: pa.Table
    row_number: Sequence[int]
    line: Sequence[int | None]
    raw: Callable[[int], bytes]  # the record at an index of `columns`, as delivered
    rejected: list[Rejected] = field(default_factory=list)


def looks_like_json(start: bytes) -> bool:
    """Whether a file that begins so is JSON and not delimited text."""
    return start.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")


class Again:
    """Stretches of a file read a second time, for records refused later. Forward without starting over."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._stream: IO[bytes] | None = None
        self._at = 0
        self._known: tuple[int, list[bytes]] = (-1, [])

    def __enter__(self) -> Again:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def lines(self, start: int, size: int) -> list[bytes]:
        """Lines of the `size` bytes from byte `start`, without their ends."""
        if self._known[0] != start:
            if self._stream is None or self._at > start:
                self.__exit__()
                self._stream, self._at = self._file.open(), 0
            while self._at < start:
                passed = len(self._stream.read(min(_BLOCK, start - self._at)))
                if not passed:
                    raise UnreadableFile("changed_while_read", f"ends at byte {self._at} of {start} read before")
                self._at += passed
            self._known = (start, [line.rstrip(b"\r") for line in self._stream.read(size).split(b"\n")])
            self._at += size
        return self._known[1]


def read_pages(file: InputFile, again: Again) -> Iterator[Page]:
    """Pages of `file` in order; their `raw` works while `again` is open.

    Raises UnreadableFile if the file holds no call or message at all.
    """
    with file.open() as stream:
        block = _next_block(stream)
        if _is_lines(block.removeprefix(_BOM)):
            pages = _read_lines(file.path, stream, block, again)
            yield _known(next(pages))
            yield from pages
            return
        data = block + stream.read()
    yield _known(_read_document(file.path, data.removeprefix(_BOM)))


def _known(page: Page) -> Page:
    """`page`, the first of a file, unless it holds only records of another kind."""
    if page.row_number and page.columns.column("id").null_count == len(page.row_number):
        raise UnreadableFile("unknown_format", "JSON without calls or messages")
    return page


def _next_block(stream: IO[bytes]) -> bytes:
    """The next whole lines, about a block of them."""
    block = stream.read(_BLOCK)
    return block if block.endswith(b"\n") or not block else block + stream.readline()


def _is_lines(block: bytes) -> bool:
    """Whether lines are documents of their own: one of the first two is a whole one."""
    found = [line for line in block.split(b"\n", 3)[:3] if line.strip()][:2]
    if len(found) == 1 and not block.rstrip().endswith(b"}"):
        return False  # a single cut line is read as a cut document
    return any(line.lstrip().startswith(b"{") and _decoded(line) is not None for line in found)


_LINE_DECODER: Final = msgspec.json.Decoder(Line)
_RESOURCE_DECODER: Final = msgspec.json.Decoder(Resource)


def _decoded(line: bytes) -> Line | None:
    try:
        return _LINE_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


# Lines --------------------------------------------------------------------------------------------


def _read_lines(path: str, stream: IO[bytes], block: bytes, again: Again) -> Iterator[Page]:
    row = line = start = 0
    while block:
        lines = block.removeprefix(_BOM) if start == 0 else block
        ends = lines.count(b"\n")
        raw = partial(again.lines, start + len(block) - len(lines), len(lines))
        page = _fast_page(lines, row, line, ends, raw) or _careful_page(path, lines, row, line)
        yield page
        row += len(page.row_number) + len(page.rejected)
        line += ends
        start += len(block)
        block = _next_block(stream)


def _fast_page(block: bytes, row: int, line: int, ends: int, lines: Callable[[], list[bytes]]) -> Page | None:
    """All lines at once; None if one of them is not a record. `ends`: line ends in the block."""
    try:
        records = _LINE_DECODER.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    count = len(records)
    if count != ends + (not block.endswith(b"\n")) or not all(record.sid or record.id for record in records):
        return None
    numbers, places = range(row + 1, row + count + 1), range(line + 1, line + count + 1)
    return Page(_columns(records), numbers, places, lambda index: lines()[index])


def _careful_page(path: str, block: bytes, row: int, line: int) -> Page:
    """Line by line: pages opened, bad lines refused, blank ones passed over."""
    records: list[Resource] = []
    raws: list[tuple[Callable[[int], bytes], int]] = []
    numbers: list[int] = []
    lines: list[int | None] = []
    rejected: list[Rejected] = []
    cut_line = None if block.endswith(b"\n") else line + block.count(b"\n") + 1
    for place, text in enumerate(block.split(b"\n"), line + 1):
        if not text.strip():
            continue
        try:
            found, raw = _elements(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            row += 1
            cut = place == cut_line and not isinstance(error, msgspec.ValidationError)
            reason = "truncated" if cut else "bad_json"
            rejected.append(Rejected(path, row, reason, place, _where(error), text))
            continue
        records += found
        raws += [(raw, index) for index in range(len(found))]
        numbers += range(row + 1, row + len(found) + 1)
        lines += [place] * len(found)
        row += len(found)

    def raw_of(at: int) -> bytes:
        raw, index = raws[at]
        return raw(index)

    return Page(_columns(records), numbers, lines, raw_of, rejected)


def _where(error: Exception) -> str | None:
    """The path in the document that has a wrong type; never a value."""
    match = re.search(r"at `(\$[^`]*)`", str(error))
    return match[1] if match else None


def _elements(document: bytes) -> Found:
    """Records of one document, a page opened. Raises DecodeError if it is not JSON of that shape."""
    line = _LINE_DECODER.decode(document)
    if line.sid or line.id:
        return [line], lambda _: document
    if line.calls or line.messages:
        return (line.calls or []) + (line.messages or []), lambda index: _raw_elements(document)[index]
    nested = _nested(msgspec.json.decode(document))
    if nested:
        return [_RESOURCE_DECODER.decode(raw) for raw in nested], nested.__getitem__
    empty_page = line.calls is not None or line.messages is not None
    return ([], lambda _: b"") if empty_page else ([line], lambda _: document)


def _raw_elements(page: bytes) -> list[bytes]:
    """The records of a page as they stand in it, in the order of `_elements`."""
    members = msgspec.json.decode(page, type=dict[str, msgspec.Raw])
    lists = (msgspec.json.decode(members.get(key, b"null"), type=list[msgspec.Raw] | None) for key in _KEYS)
    return [bytes(raw) for each in lists for raw in each or []]


def _nested(value: Any) -> list[bytes]:
    """Records of pages that lie deeper in a document, as JSON."""
    if isinstance(value, list):
        return [raw for each in value for raw in _nested(each)]
    if not isinstance(value, dict):
        return []
    found: list[bytes] = []
    for key, below in value.items():
        if key in _KEYS and isinstance(below, list):
            found.extend(msgspec.json.encode(each) for each in below)
        else:
            found.extend(_nested(below))
    return found


# One document -------------------------------------------------------------------------------------


def _read_document(path: str, data: bytes) -> Page:
    try:
        records, raw = _array(data) if data.lstrip()[:1] == b"[" else _elements(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _cut_document(path, data)
    numbers = list(range(1, len(records) + 1))
    return Page(_columns(records), numbers, [None] * len(records), raw)


def _array(data: bytes) -> Found:
    """Elements of an array of records or of pages. Raises DecodeError."""
    found = [_elements(bytes(raw)) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
    places = [(raw, index) for records, raw in found for index in range(len(records))]
    return [record for records, _ in found for record in records], lambda at: places[at][0](places[at][1])


def _cut_document(path: str, data: bytes) -> Page:
    """The records of a broken document before the break; the rest is one refused record."""
    text = data.decode("utf-8", "replace")
    records: list[Resource] = []
    raws: list[bytes] = []
    lines: list[int | None] = []
    line, counted = 1, 0
    decoder = json.JSONDecoder()
    position = _first_element(text)
    while position is not None:
        line, counted = line + text.count("\n", counted, position), position
        try:
            _, end = decoder.raw_decode(text, position)
            raw = text[position:end].encode()
            records.append(_RESOURCE_DECODER.decode(raw))
        except (ValueError, RecursionError):
            break
        raws.append(raw)
        lines.append(line)
        position = _next_element(text, end)
    if not records:
        raise UnreadableFile("truncated", "no whole record before the break")
    rejected = []
    if position is not None:
        left = text[position:].encode()
        rejected = [Rejected(path, len(records) + 1, "truncated", line, f"from character {position}", left)]
    numbers = list(range(1, len(records) + 1))
    return Page(_columns(records), numbers, lines, raws.__getitem__, rejected)


def _first_element(text: str) -> int | None:
    """Where the first list of records begins."""
    match = _LIST_START.search(text)
    start = match.end() if match else (text.index("[") + 1 if text.lstrip()[:1] == "[" else None)
    return None if start is None else _skip(text, start)


def _next_element(text: str, end: int) -> int | None:
    """Where the element after one that ends at `end` begins, in this list or the next."""
    at = _skip(text, end)
    if text[at : at + 1] == "]":
        match = _LIST_START.search(text, at)
        return _skip(text, match.end()) if match else None
    return _skip(text, at + 1) if text[at : at + 1] == "," else at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


# Columns ------------------------------------------------------------------------------------------


def _columns(records: list[Any]) -> pa.Table:
    """The columns of COLUMNS. `sent` is the first known of start, sending and creation."""
    values: list[list[Scalar]] = [
        [r.sid or r.id for r in records],
        [r.start_time or r.date_sent or r.date_created or r.created_at for r in records],
        [r.direction for r in records],
        [r.from_ for r in records],
        [r.to for r in records],
        [r.status for r in records],
        [r.duration for r in records],
        [r.price for r in records],
        [r.price_unit for r in records],
        [r.caller_name for r in records],
        [r.answered_by for r in records],
        [r.parent_call_sid or r.parent_call_id for r in records],
        [r.body for r in records],
    ]
    return pa.table(dict(zip(COLUMNS, map(_texts, values), strict=True)))


def _texts(values: list[Scalar]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # numbers where the API writes text
        return pa.array([None if value is None else str(value) for value in values], pa.string())
