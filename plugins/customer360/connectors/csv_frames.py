"""Delimited text as frames: by Arrow when the file is flawless, by the exact reader when it is not."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.csv

from customer360.connectors.base import InputFile, UnreadableFile
from customer360.connectors.encodings import find_encoding, open_text, pieces
from customer360.connectors.frame import FRAME_ROWS, Frame, locate
from customer360.connectors.text import CsvFile, Record, open_csv, sniff_delimiter

_LINE_ENDS = b"\r\n"
_BLOCK = 16 << 20


@dataclass(frozen=True, slots=True)
class _Layout:
    """What is known of a file before its records are read."""

    file: InputFile
    codec: str
    delimiter: str
    header: list[str]
    header_line: int  # physical, 1-based
    before: int  # records before the header
    one_line: bool  # the header stands on one line

    @property
    def text_codec(self) -> str:
        """Codec of one line by itself: without a byte order mark."""
        return "utf-8" if self.codec == "utf-8-sig" else self.codec


def read_csv(
    file: InputFile,
    columns: Sequence[str],
    encoding: str,
    delimiter: str | None,
    header_row: int,
    *,
    content: bool,
) -> Iterator[Frame]:
    """Records below the header, which is the first that stands on line `header_row` or after it.

    Raises UnreadableFile: no_header, missing_column, ambiguous_column, and what reading text raises.
    """
    layout = _layout(file, encoding, delimiter, header_row)
    places = locate(columns, layout.header)
    return (_fast if _is_flawless(layout) else _exact)(layout, places, content)


def _layout(file: InputFile, encoding: str, delimiter: str | None, header_row: int) -> _Layout:
    codec = find_encoding(file, encoding)
    if delimiter is None:
        with open_text(file, codec) as lines:
            delimiter = sniff_delimiter(list(islice(lines, header_row - 1, header_row + 100)))
    before = 0
    for record in CsvFile(file, codec, delimiter).records():
        if record.line >= header_row:
            return _found(file, codec, delimiter, record, before)
        before += 1
    raise UnreadableFile("no_header", f"nothing from line {header_row} on")


def _found(file: InputFile, codec: str, delimiter: str, record: Record, before: int) -> _Layout:
    header = [cell.strip() for cell in record.cells]
    return _Layout(file, codec, delimiter, header, record.line, before, "\n" not in record.text)


def _is_flawless(layout: _Layout) -> bool:
    """Every line below the header is one record of its width: no cell runs over a line, no line is blank."""
    wide = layout.codec.startswith(("utf-16", "utf-32"))
    if wide or not layout.one_line or len(layout.header) < 2 or layout.delimiter == " ":
        return False
    rows = 0
    try:
        for batch in _reader(layout, [0]):
            rows += batch.num_rows
    except pa.ArrowInvalid:
        return False
    return rows == _line_count(layout.file) - layout.header_line


def _line_count(file: InputFile) -> int:
    """Physical lines down to the last that is not empty."""
    ended = pending = 0
    for piece in pieces(file):
        body = piece.rstrip(_LINE_ENDS)
        if body:
            ended += pending + body.count(b"\n")
            pending = 0
        pending += piece.count(b"\n", len(body))
    return ended + 1


def _reader(layout: _Layout, places: Sequence[int]) -> Any:
    """Arrow's reader of the columns at `places`, all of them text, named by their place."""
    names = [str(place) for place in range(len(layout.header))]
    wanted = [str(place) for place in places]
    return pa.csv.open_csv(
        layout.file.open(),
        read_options=pa.csv.ReadOptions(
            encoding=layout.codec, block_size=_BLOCK, skip_rows=layout.header_line, column_names=names
        ),
        parse_options=pa.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            strings_can_be_null=False,
        ),
    )


def _fast(layout: _Layout, places: dict[str, int], content: bool) -> Iterator[Frame]:
    # At least one column is read, so that the rows are counted.
    read = list(range(len(layout.header))) if content else sorted(set(places.values()) or {0})
    lines = _Lines(layout)
    done = 0
    for batch in _stretches(_reader(layout, read)):
        columns = {name: batch.column(read.index(place)) for name, place in places.items()}
        first, done = done + 1, done + batch.num_rows
        at = range(layout.header_line + first, layout.header_line + done + 1)
        whole = tuple(batch.columns) if content else ()
        yield Frame(columns, range(first, done + 1), at, raw=lines.reader(at), content=whole)


def _stretches(reader: Any) -> Iterator[Any]:
    """Batches of at most FRAME_ROWS records; Arrow's own are as many as a block of bytes holds."""
    for batch in reader:
        for start in range(0, batch.num_rows, FRAME_ROWS):
            yield batch.slice(start, FRAME_ROWS)


class _Lines:
    """Lines of the file by number, for records refused later; going forward costs least."""

    def __init__(self, layout: _Layout) -> None:
        self._layout = layout
        self._stream: TextIO | None = None
        self._next = 1

    def reader(self, lines: Sequence[int]) -> Any:
        return lambda index: self.line(lines[index])

    def line(self, number: int) -> bytes:
        if self._stream is None or number < self._next:
            self._stream, self._next = open_text(self._layout.file, self._layout.codec), 1
        text = next(islice(self._stream, number - self._next, None), "")
        self._next = number + 1
        return text.rstrip("\r\n").encode(self._layout.text_codec)


def _exact(layout: _Layout, places: dict[str, int], content: bool) -> Iterator[Frame]:
    reader = open_csv(layout.file, layout.codec, delimiter=layout.delimiter)
    width = len(layout.header)
    for chunk in reader.chunks(skip=layout.before, rows=FRAME_ROWS):

        def cells(place: int, of: list[str] = chunk.cells) -> pa.Array:
            return pa.array(of[place::width], pa.string())

        def raw(index: int, of: list[str] = chunk.text) -> bytes:
            return of[index].encode(layout.text_codec, "surrogatepass")

        columns = {name: cells(place) for name, place in places.items()}
        whole = tuple(cells(place) for place in range(width)) if content else ()
        refused = [replace(each, raw=each.raw.removeprefix(BOM_UTF8)) for each in chunk.rejected]
        yield Frame(columns, chunk.row_number, chunk.line, refused, raw, whole)
