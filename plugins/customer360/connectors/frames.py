"""Any CSV, JSON lines, JSON array, Parquet or XLSX as frames: Arrow columns by name, records by place.

Text columns stay as written (trimmed later); Parquet keeps its types; nested JSON is reached by dotted
paths (`a.b.0.c`). Records that the format itself breaks are refused here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from customer360.connectors.base import InputFile, Rejected, UnreadableFile
from customer360.connectors.encodings import find_encoding, open_text
from customer360.connectors.text import open_csv, sniff_delimiter

FRAME_ROWS = 200_000
_SNIFF = 4096


@dataclass(slots=True)
class Frame:
    """A stretch of records. `row_number` is 1-based in the file; `line` None where there are no lines."""

    columns: dict[str, pa.Array]
    row_number: Sequence[int]
    line: Sequence[int] | None = None
    rejected: list[Rejected] = field(default_factory=list)
    raw: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.row_number)

    def text_of(self, index: int) -> bytes:
        """The record as delivered, or rebuilt from its columns as JSON."""
        if self.raw is not None:
            return self.raw[index].encode("utf-8", "surrogatepass")
        values = {name: column[index].as_py() for name, column in self.columns.items()}
        return msgspec.json.encode(values, enc_hook=str)


def detect_format(file: InputFile) -> str:
    """csv, jsonl, json, parquet or xlsx, by content."""
    with file.open() as stream:
        head = stream.read(_SNIFF)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "json"
    return "jsonl" if text.startswith(b"{") else "csv"


def read_frames(
    file: InputFile,
    form: str,
    columns: Sequence[str],
    *,
    encoding: str = "auto",
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int = 1,
) -> Iterator[Frame]:
    """Frames of `file`. `columns` are those wanted; a CSV, Parquet or XLSX that lacks one raises
    UnreadableFile('missing_column'); in JSON a missing path is null."""
    if form == "csv":
        return _csv(file, columns, encoding, delimiter, header_row)
    if form == "parquet":
        return _parquet(file, columns)
    if form == "xlsx":
        return _xlsx(file, columns, sheet, header_row)
    return _json(file, columns, encoding, lines=form == "jsonl")


# CSV --------------------------------------------------------------------------------------------------


def _csv(
    file: InputFile, columns: Sequence[str], encoding: str, delimiter: str | None, header_row: int
) -> Iterator[Frame]:
    """By Arrow when the file is flawless; by the exact reader, which can name each flaw, when not."""
    codec = find_encoding(file, encoding)
    if delimiter is None:
        with open_text(file, codec) as lines:
            delimiter = sniff_delimiter(list(islice(lines, header_row - 1, header_row + 100)))
    try:
        flawless = _is_flawless(file, codec, delimiter, header_row)
    except pa.ArrowInvalid:
        flawless = False
    if flawless:
        yield from _arrow_csv(file, columns, codec, delimiter, header_row)
        return
    for chunk in open_csv(file, codec, delimiter=delimiter).chunks(skip=header_row - 1):
        _require(columns, chunk.header)
        width = len(chunk.header)
        cells = {name: pa.array(chunk.cells[place::width], pa.string()) for place, name in enumerate(chunk.header)}
        yield Frame(cells, chunk.row_number, chunk.line, chunk.rejected, chunk.text)


def _reader(file: InputFile, codec: str, delimiter: str, header_row: int, text: Sequence[str]) -> Any:
    return pa.csv.open_csv(
        file.open(),
        read_options=pa.csv.ReadOptions(
            encoding=codec, block_size=16 << 20, skip_rows=header_row - 1, use_threads=True
        ),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in text}, strings_can_be_null=False
        ),
    )


def _header(file: InputFile, codec: str, delimiter: str, header_row: int) -> list[str]:
    records = open_csv(file, codec, delimiter=delimiter).records()
    record = next(islice(records, header_row - 1, None), None)
    if record is None:
        raise UnreadableFile("no_header", f"row {header_row}")
    return list(record.cells)


def _is_flawless(file: InputFile, codec: str, delimiter: str, header_row: int) -> bool:
    """Every record is one line as wide as the header, and no quote is left open (Arrow raises otherwise)."""
    header = _header(file, codec, delimiter, header_row)
    if len(set(header)) != len(header):
        return False
    longest = 0
    for batch in _reader(file, codec, delimiter, header_row, header):
        for column in batch.columns:
            if column.nbytes > 1 << 20 and len(column):
                longest = max(longest, column.nbytes // len(column))
            if pc.any(pc.match_substring(column, "\n")).as_py():
                return False
    return longest < 1 << 16


def _arrow_csv(file: InputFile, columns: Sequence[str], codec: str, delimiter: str, header_row: int) -> Iterator[Frame]:
    header = _header(file, codec, delimiter, header_row)
    _require(columns, [name.strip() for name in header])
    done = 0
    for batch in _reader(file, codec, delimiter, header_row, header):
        if batch.num_rows:
            named = {name.strip(): batch.column(place) for place, name in enumerate(header)}
            first = done + 1
            done += batch.num_rows
            yield Frame(named, range(first, done + 1), range(header_row + first, header_row + done + 1))


# Parquet ----------------------------------------------------------------------------------------------


def _parquet(file: InputFile, columns: Sequence[str]) -> Iterator[Frame]:
    with file.open() as stream:
        try:
            source = pq.ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
        except pa.ArrowInvalid:
            raise UnreadableFile("bad_parquet", "the footer cannot be read") from None
        roots = list(dict.fromkeys(name.split(".")[0] for name in columns))
        _require(roots, source.schema_arrow.names)
        done = 0
        for batch in source.iter_batches(FRAME_ROWS, columns=roots or None):
            named = {name: _parquet_column(batch, name) for name in columns}
            yield Frame(named, range(done + 1, done + batch.num_rows + 1))
            done += batch.num_rows


def _parquet_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name in batch.schema.names:
        column = batch.column(name)
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    root, *rest = name.split(".")
    values = batch.column(root).to_pylist()
    return _as_text([_reach(value, rest) for value in values])


# JSON -------------------------------------------------------------------------------------------------


def _json(file: InputFile, columns: Sequence[str], encoding: str, *, lines: bool) -> Iterator[Frame]:
    records = _json_lines(file, encoding) if lines else _json_array(file)
    paths = {name: name.split(".") for name in columns}
    while block := list(islice(records, FRAME_ROWS)):
        good = [(number, raw, record) for number, raw, record in block if isinstance(record, dict)]
        rejected = [
            Rejected(
                file.path, number, "bad_json", number if lines else None, None, raw.encode("utf-8", "surrogatepass")
            )
            for number, raw, record in block
            if not isinstance(record, dict)
        ]
        values = {
            name: _as_text([record[name] if name in record else _reach(record, path) for _, _, record in good])
            for name, path in paths.items()
        }
        numbers = [number for number, _, _ in good]
        yield Frame(values, numbers, numbers if lines else None, rejected, [raw for _, raw, _ in good])


def _json_lines(file: InputFile, encoding: str) -> Iterator[tuple[int, str, Any]]:
    decoder = msgspec.json.Decoder()
    with open_text(file, find_encoding(file, encoding)) as stream:
        for number, line in enumerate(stream, 1):
            text = line.strip()
            if not text:
                continue
            try:
                yield number, text, decoder.decode(text)
            except (msgspec.DecodeError, UnicodeEncodeError):
                yield number, text, None


def _json_array(file: InputFile) -> Iterator[tuple[int, str, Any]]:
    with file.open() as stream:
        try:
            records = msgspec.json.decode(stream.read())
        except msgspec.DecodeError as error:
            raise UnreadableFile("bad_json", "the array cannot be read to its end") from error
    for number, record in enumerate(records, 1):
        yield number, msgspec.json.encode(record).decode(), record


def _reach(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


# XLSX -------------------------------------------------------------------------------------------------


def _xlsx(file: InputFile, columns: Sequence[str], sheet: str | None, header_row: int) -> Iterator[Frame]:
    import openpyxl

    with file.open() as stream:
        try:
            book = openpyxl.load_workbook(io.BytesIO(stream.read()), read_only=True, data_only=True)
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise UnreadableFile("bad_xlsx", type(error).__name__) from None
    if sheet is not None and sheet not in book.sheetnames:
        raise UnreadableFile("missing_sheet", sheet)
    rows = (book[sheet] if sheet else book.worksheets[0]).iter_rows(min_row=header_row, values_only=True)
    header = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
    _require(columns, header)
    done = 0
    while block := list(islice(rows, FRAME_ROWS)):
        kept = [(number, row) for number, row in enumerate(block, done + 1) if any(cell is not None for cell in row)]
        done += len(block)
        cells = {
            name: _as_text([row[place] if place < len(row) else None for _, row in kept])
            for place, name in enumerate(header)
            if name
        }
        yield Frame(cells, [number for number, _ in kept], [header_row + number for number, _ in kept])


# Shared -----------------------------------------------------------------------------------------------


def _require(columns: Sequence[str], header: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise UnreadableFile("missing_column", ", ".join(missing))


def _as_text(values: Sequence[Any]) -> pa.Array:
    """Any values as text: whole floats without their '.0', stamps in ISO form, lists joined by ';'."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, list):
        return ";".join(text for each in value if (text := _text(each)) is not None)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return format(value, "f") if isinstance(value, Decimal) else str(value)
