"""Twilio's JSON: API pages, pages or records one a line, arrays, as columns of text.

Line by line in blocks where every line is a document, so that a file of any size needs little
memory; else as one document, of which a cut end loses only the record it cuts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import msgspec
import pyarrow as pa

from customer360.connectors.base import InputFile, Rejected, UnreadableFile

_BLOCK: Final = 4 << 20  # small enough to stay in the processor's cache while it is taken apart
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


COLUMNS: Final = (
    "id", "sent", "direction", "from", "to", "status", "duration", "price", "price_unit",
    "caller_name", "answered_by", "parent", "body",
)  # fmt: skip


@dataclass
class Page:
    """A stretch of records: `columns` (see COLUMNS) of text, their places, and those refused."""

    columns: pa.Table
    row_number: list[int]
    line: list[int | None]
    raw: Callable[[int], bytes]  # the record at an index of `columns`, as delivered
    rejected: list[Rejected] = field(default_factory=list)


def looks_like_json(start: bytes) -> bool:
    """Whether a file that begins so is JSON and not delimited text."""
    return start.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")


def read_pages(file: InputFile) -> Iterator[Page]:
    """Pages of `file` in order. Raises UnreadableFile if it holds no call or message at all."""
    with file.open() as stream:
        block = _next_block(stream, b"").removeprefix(_BOM)
        if _is_lines(block):
            yield from _read_lines(file.path, stream, block)
            return
        data = block + stream.read()
    yield _read_document(file.path, data)


def _next_block(stream: IO[bytes], rest: bytes) -> bytes:
    """The next whole lines after `rest`; at the end of the file, what is left."""
    pieces = [rest]
    while piece := stream.read(_BLOCK):
        pieces.append(piece)
        if b"\n" in piece:
            break
    return b"".join(pieces)


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


def _read_lines(path: str, stream: IO[bytes], block: bytes) -> Iterator[Page]:
    row, line, rest = 0, 0, block
    while rest:
        cut = rest.rfind(b"\n") + 1
        whole, rest = (rest[:cut], rest[cut:]) if cut else (rest, b"")
        page = _fast_page(whole, row, line) or _careful_page(path, whole, row, line)
        yield page
        row += len(page.row_number) + len(page.rejected)
        line += whole.count(b"\n")
        rest = _next_block(stream, rest)


def _fast_page(block: bytes, row: int, line: int) -> Page | None:
    """All lines at once; None if one of them is not a record."""
    if b"\n\n" in block or b"\r\n\r\n" in block:
        return None
    try:
        records = _LINE_DECODER.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not all(record.sid or record.id for record in records):
        return None
    count = len(records)
    return Page(
        columns=_columns(records),
        row_number=list(range(row + 1, row + count + 1)),
        line=list(range(line + 1, line + count + 1)),
        raw=lambda index: block.split(b"\n")[index].rstrip(b"\r"),
    )


def _careful_page(path: str, block: bytes, row: int, line: int) -> Page:
    """Line by line: pages opened, bad lines refused, blank ones passed over."""
    records: list[Resource] = []
    raws: list[Callable[[], bytes]] = []
    numbers: list[int] = []
    lines: list[int | None] = []
    rejected: list[Rejected] = []
    for place, text in enumerate(block.split(b"\n"), line + 1):
        if not text.strip():
            continue
        try:
            found = _elements(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            row += 1
            cut = not block.endswith(b"\n") and place == line + block.count(b"\n") + 1
            reason = "truncated" if cut and not isinstance(error, msgspec.ValidationError) else "bad_json"
            rejected.append(Rejected(path, row, reason, place, _where(error), text))
            continue
        for record, raw in found:
            row += 1
            records.append(record)
            raws.append(raw)
            numbers.append(row)
            lines.append(place)
    return Page(_columns(records), numbers, lines, lambda index: raws[index](), rejected)


def _where(error: Exception) -> str | None:
    """The path in the document that has a wrong type; never a value."""
    match = re.search(r"at `(\$[^`]*)`", str(error))
    return match[1] if match else None


def _elements(document: bytes) -> list[tuple[Resource, Callable[[], bytes]]]:
    """Records of one document, a page opened, each with a way to its bytes. Raises DecodeError."""
    line = _LINE_DECODER.decode(document)
    if line.sid or line.id:
        return [(line, lambda: document)]
    records = (line.calls or []) + (line.messages or [])
    if records:

        def element(index: int) -> bytes:
            page = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
            lists = [page[key] for key in _KEYS if key in page and bytes(page[key]) != b"null"]
            return [bytes(raw) for each in lists for raw in msgspec.json.decode(each, type=list[msgspec.Raw])][index]

        return [(record, lambda index=index: element(index)) for index, record in enumerate(records)]  # type: ignore[misc]  # mypy cannot type a default of a lambda
    nested = _nested(msgspec.json.decode(document))
    if nested:
        return [(_RESOURCE_DECODER.decode(raw), lambda raw=raw: raw) for raw in nested]  # type: ignore[misc]  # as above
    if line.calls is not None or line.messages is not None:
        return []  # an empty page
    return [(line, lambda: document)]


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
    if data.lstrip()[:1] == b"[":
        found = _array(data)
    else:
        try:
            found = _elements(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
    if found is None:
        return _cut_document(path, data)
    records = [record for record, _ in found]
    if records and not any(record.sid or record.id for record in records):
        raise UnreadableFile("unknown_format", "JSON without calls or messages")
    numbers = list(range(1, len(records) + 1))
    return Page(_columns(records), numbers, [None] * len(records), lambda index: found[index][1]())


def _array(data: bytes) -> list[tuple[Resource, Callable[[], bytes]]] | None:
    """Elements of an array of records or of pages; None if it cannot be read as one."""
    try:
        return [
            element for raw in msgspec.json.decode(data, type=list[msgspec.Raw]) for element in _elements(bytes(raw))
        ]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _cut_document(path: str, data: bytes) -> Page:
    """The records of a broken document before the break; the rest is one refused record."""
    text = data.decode("utf-8", "replace")
    records: list[Resource] = []
    raws: list[bytes] = []
    lines: list[int | None] = []
    rejected: list[Rejected] = []
    decoder = json.JSONDecoder()
    position, end = _first_element(text), 0
    while position is not None:
        try:
            _, end = decoder.raw_decode(text, position)
            raw = text[position:end].encode()
            records.append(_RESOURCE_DECODER.decode(raw))
        except (ValueError, RecursionError):
            break
        raws.append(raw)
        lines.append(text.count("\n", 0, position) + 1)
        position = _next_element(text, end)
    if not records:
        raise UnreadableFile("truncated", "no whole record before the break")
    if position is not None:
        left = text[position:].encode()
        line = text.count("\n", 0, position) + 1
        rejected.append(Rejected(path, len(records) + 1, "truncated", line, f"character {position}", left))
    return Page(_columns(records), list(range(1, len(records) + 1)), lines, lambda index: raws[index], rejected)


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
