"""Any CSV, JSON lines, JSON document, Parquet or XLSX as frames (`frame.Frame`), told apart by content.

Text stays as written (trimmed later); Parquet keeps its types; nested members are reached by dotted
paths (`a.b.0.c`). Records that the format itself breaks are refused here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from customer360.connectors.base import InputFile, UnreadableFile
from customer360.connectors.csv_frames import read_csv
from customer360.connectors.frame import FRAME_ROWS, Frame, locate, plain_text, text_column
from customer360.connectors.json_frames import read_json_document, read_json_lines

_SNIFF: Final = 1 << 16
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WIDE_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def detect_format(file: InputFile) -> str:
    """csv, jsonl, json, parquet or xlsx, by content. Raises UnreadableFile('unsupported_format')."""
    with file.open() as stream:
        head = stream.read(_SNIFF)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(_OLD_EXCEL):
        raise UnreadableFile("unsupported_format", "an .xls workbook: save it as .xlsx or CSV")
    codec = _WIDE_MARKS.get(head[:2])
    if codec:
        head = head.decode(codec, "ignore").encode()
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return "json"
    return _objects(text) if text.startswith(b"{") else "csv"


def _objects(text: bytes) -> str:
    """jsonl if the first line is a whole object (or longer than was looked at), else json."""
    line, end, _ = text.partition(b"\n")
    if not end:
        return "jsonl"
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "json" if line.strip() == b"{" or line.rstrip().endswith((b",", b"[", b"{")) else "jsonl"
    return "jsonl"


def read_frames(
    file: InputFile,
    form: str,
    columns: Sequence[str],
    *,
    encoding: str = "auto",
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int = 1,
    records: str | None = None,
    content: bool = False,
) -> Iterator[Frame]:
    """Frames of `file` with the columns wanted; with `content`, also with all of each record.

    A CSV, Parquet or XLSX that lacks a column raises UnreadableFile('missing_column'); in JSON a
    missing member is null.
    """
    if form == "csv":
        return read_csv(file, columns, encoding, delimiter, header_row, content=content)
    if form == "parquet":
        return _parquet(file, columns, content)
    if form == "xlsx":
        return _xlsx(file, columns, sheet, header_row)
    if form == "jsonl":
        return read_json_lines(file, columns, encoding, content=content)
    return read_json_document(file, columns, encoding, records, content=content)


# Parquet ----------------------------------------------------------------------------------------------


def _parquet(file: InputFile, columns: Sequence[str], content: bool) -> Iterator[Frame]:
    with file.open() as stream:
        try:
            source = pq.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
            names = source.schema_arrow.names
            paths = {name: [name] if name in names else _path(name, names) for name in columns}
            roots = locate([path[0] for path in paths.values()], names)
            read = None if content else list(dict.fromkeys(names[place] for place in roots.values()))
            done = 0
            for batch in source.iter_batches(FRAME_ROWS, columns=read or None):
                cells = {name: _member(batch.column(names[roots[path[0]]]), path[1:]) for name, path in paths.items()}
                whole = tuple(_decoded(column) for column in batch.columns) if content else ()
                yield Frame(cells, range(done + 1, done + batch.num_rows + 1), content=whole)
                done += batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableFile("bad_parquet", type(error).__name__) from error


def _path(name: str, names: Sequence[str]) -> list[str]:
    """Steps to a nested member, unless the dotted name is a column's but for case and blanks."""
    try:
        locate([name], names)
    except UnreadableFile:
        return name.split(".")
    return [name]


def _decoded(column: pa.Array) -> pa.Array:
    """Without dictionary; bytes as text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return text_column(column.to_pylist())
    return column


def _member(column: pa.Array, steps: Sequence[str]) -> pa.Array:
    """The member of structs at `steps`; lists are gone into value by value and come as text."""
    column = _decoded(column)
    while steps and pa.types.is_struct(column.type) and column.type.get_field_index(steps[0]) >= 0:
        column, steps = _decoded(pc.struct_field(column, steps[0])), steps[1:]
    if steps or pa.types.is_nested(column.type):
        return pa.array([plain_text(_reach(value, steps)) for value in column.to_pylist()], pa.string())
    return column


def _reach(value: Any, steps: Sequence[str]) -> Any:
    if not steps or value is None:
        return value
    step, *rest = steps
    if isinstance(value, dict):
        return _reach(value.get(step), rest)
    if isinstance(value, list) and step == "*":
        return [_reach(each, rest) for each in value]
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return _reach(value[int(step)], rest)
    return None


# XLSX -------------------------------------------------------------------------------------------------


def _xlsx(file: InputFile, columns: Sequence[str], sheet: str | None, header_row: int) -> Iterator[Frame]:
    rows = _sheet(file, sheet).iter_rows(min_row=header_row, values_only=True)
    header = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
    if not any(header):
        raise UnreadableFile("no_header", f"row {header_row} is empty")
    places = locate(columns, header)
    number = 0
    line = header_row
    while block := list(islice(rows, FRAME_ROWS)):
        kept = [(place, row) for place, row in enumerate(block, line + 1) if any(cell is not None for cell in row)]
        line += len(block)
        cells = [text_column([row[at] if at < len(row) else None for _, row in kept]) for at in range(len(header))]

        def raw(index: int, of: list[tuple[int, Any]] = kept) -> bytes:
            return msgspec.json.encode(dict(zip(header, map(plain_text, of[index][1]), strict=False)))

        numbers = range(number + 1, number + 1 + len(kept))
        number += len(kept)
        named = {name: cells[at] for name, at in places.items()}
        yield Frame(named, numbers, [at for at, _ in kept], raw=raw, content=tuple(cells))


def _sheet(file: InputFile, sheet: str | None) -> Any:
    """The worksheet called `sheet`, or the first. Raises UnreadableFile: bad_xlsx, missing_sheet."""
    import openpyxl

    with file.open() as stream:
        try:
            book = openpyxl.load_workbook(io.BytesIO(stream.read()), read_only=True, data_only=True)
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise UnreadableFile("bad_xlsx", type(error).__name__) from None
    if sheet is not None and sheet not in book.sheetnames:
        raise UnreadableFile("missing_sheet", f"{sheet}; there are {', '.join(book.sheetnames)}")
    found = book[sheet] if sheet else book.worksheets[0]
    found.reset_dimensions()  # some writers state fewer rows than there are
    return found
