"""A table as CSV, Parquet or XLSX, written batch by batch, and read back to see what is really in the file."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from customer360.binary import arrow_type
from customer360.exports.cells import csv_line, csv_text, harmless, is_formula
from customer360.marketing.contract import Table
from customer360.marketing.reading import Figures, numeric_columns

SHEET_ROWS = 1_048_576  # of a sheet of Excel's, its header among them
SHEETS = 5  # more rows than these hold are refused: nothing opens such a workbook
CELL_CHARACTERS = 32_767
_EXACT_DIGITS = 15  # of a number that Excel keeps
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML cannot hold them

Row = tuple[Any, ...]
Cover = Sequence[tuple[str, object]]


class Refused(Exception):
    """A table that a format cannot hold whole; the text says how many rows it has and why."""


class Writer(Protocol):
    """Takes batches of rows in the table's order of columns; `close` ends the file."""

    escaped: int  # cells that begin like a formula and got an apostrophe

    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    def __init__(self, path: Path, table: Table) -> None:
        self.escaped = 0
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.write(csv_line([column.name for column in table.columns]))

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(csv_line([csv_text(value) for value in row]))
            self.escaped += sum(isinstance(value, str) and is_formula(value) for value in row)

    def close(self) -> None:
        self._file.close()


class ParquetWriter:
    def __init__(self, path: Path, table: Table) -> None:
        self.escaped = 0  # nothing computes what it holds
        self._schema = pa.schema(
            [
                pa.field(each.name, arrow_type(each.data_type), metadata={"description": each.description})
                for each in table.columns
            ],
            metadata={"description": table.description},
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> None:
        columns = list(zip(*rows, strict=True))
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.table(arrays, self._schema))

    def close(self) -> None:
        self._writer.close()


class XlsxWriter:
    """A cover, then the rows in as many sheets as they need. Raises Refused for what Excel cannot hold whole."""

    def __init__(self, path: Path, table: Table, cover: Cover, rows: int, sheet_rows: int = SHEET_ROWS) -> None:
        if rows > (sheet_rows - 1) * SHEETS:
            raise Refused(
                f"{table.name}: {rows:,} rows are more than the {(sheet_rows - 1) * SHEETS:,} of {SHEETS} sheets;"
                " take CSV or Parquet, or filter"
            )
        self.escaped = 0
        self._path, self._table, self._sheet_rows, self._total = path, table, sheet_rows, rows
        self._book = openpyxl.Workbook(write_only=True)
        self._sheets = 0
        self._left = 0
        self._write_cover(cover)
        self._write_columns()
        self._begin_sheet()

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if not self._left:
                self._begin_sheet()
            self._sheet.append([self._cell(value) for value in row])
            self._left -= 1

    def close(self) -> None:
        self._book.save(self._path)

    def _begin_sheet(self) -> None:
        self._sheets += 1
        name = self._table.name[:25]
        self._sheet = self._book.create_sheet(name if self._sheets == 1 else f"{name} ({self._sheets})")
        self._sheet.freeze_panes = "A2"
        room = self._sheet_rows - 1
        lines = 1 + min(room, self._total - room * (self._sheets - 1))
        # A sheet that does not say its size is read as a whole to learn it, and then once more.
        size = f"A1:{get_column_letter(len(self._table.columns))}{lines}"
        self._sheet.calculate_dimension = lambda: size
        for number, column in enumerate(self._table.columns, 1):
            self._sheet.column_dimensions[get_column_letter(number)].width = max(14, len(column.name) + 2)
        self._sheet.append([self._bold(column.name) for column in self._table.columns])
        self._left = room

    def _write_cover(self, cover: Cover) -> None:
        self._sheet = self._book.create_sheet("Cover")
        self._sheet.column_dimensions["A"].width = 30
        self._sheet.column_dimensions["B"].width = 80
        for label, value in cover:
            self._sheet.append([self._bold(label), self._cell(value)])

    def _write_columns(self) -> None:
        self._sheet = self._book.create_sheet("Columns")
        for letter, width in zip("ABC", (26, 22, 110), strict=True):
            self._sheet.column_dimensions[letter].width = width
        self._sheet.append([self._bold(text) for text in ("Column", "Type", "Meaning")])
        for column in self._table.columns:
            self._sheet.append([self._cell(t) for t in (column.name, column.data_type, column.description)])

    def _bold(self, text: str) -> Any:
        cell = self._text(text)
        cell.font = Font(bold=True)
        return cell

    def _cell(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value) if value else None  # a spreadsheet knows no empty text
        if isinstance(value, datetime) and value.tzinfo:
            return value.astimezone(UTC).replace(tzinfo=None)
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and not _is_exact(value):
            return self._text(csv_text(value) or "", is_number=True)
        return value

    def _text(self, text: str, is_number: bool = False) -> Any:
        if len(text) > CELL_CHARACTERS:
            raise Refused(
                f"{self._table.name}: {self._total:,} rows, of which one has a text of {len(text):,} characters; a cell"
                f" of Excel's holds {CELL_CHARACTERS:,}. Take CSV or Parquet"
            )
        if not is_number and is_formula(text):
            text = harmless(text)
            self.escaped += 1
        cell: Any = WriteOnlyCell(self._sheet)
        # The type is said, not guessed from the text, or '=1+1' would be computed and '#N/A' be an error.
        cell._value, cell.data_type = _UNPRINTABLE.sub("\ufffd", text), "s"
        return cell


def _is_exact(number: int | Decimal) -> bool:
    digits = Decimal(number).normalize().as_tuple().digits
    return len(digits) <= _EXACT_DIGITS


# What is in a file ---------------------------------------------------------------------------------


def read_csv(path: Path, table: Table) -> Figures:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        return _figures(table, next(rows), rows)


def read_parquet(path: Path, table: Table) -> Figures:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names

    def rows() -> Iterator[Row]:
        for batch in file.iter_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return _figures(table, names, rows())


def read_xlsx(path: Path, table: Table) -> Figures:
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        sheets = book.worksheets[2:]
        headers = {tuple(next(sheet.values)) for sheet in sheets}
        if len(headers) != 1:
            raise ValueError(f"{path.name}: its sheets have different columns")

        def rows() -> Iterator[Row]:
            for sheet in sheets:
                lines = iter(sheet.values)
                next(lines)
                yield from lines

        return _figures(table, [str(name) for name in headers.pop()], rows())
    finally:
        book.close()


READERS: dict[str, Callable[[Path, Table], Figures]] = {
    "csv": read_csv,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}


def _figures(table: Table, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Figures:
    """Count and sums of what was read, rounded to the column's scale: Excel keeps numbers in binary."""
    if list(header) != [column.name for column in table.columns]:
        raise ValueError(f"{table.name}: the columns read are {', '.join(header)}")
    numbers = numeric_columns(table)
    places = [list(header).index(name) for name in numbers]
    steps = [_step(table, name) for name in numbers]
    sums: list[Decimal | None] = [None] * len(places)
    count = 0
    for row in rows:
        count += 1
        for index, place in enumerate(places):
            value = row[place]
            if value is not None and value != "":
                number = Decimal(str(value)).quantize(steps[index])
                sums[index] = number + (sums[index] or 0)
    return Figures(count, dict(zip(numbers, sums, strict=True)))


def _step(table: Table, name: str) -> Decimal:
    kind = arrow_type(next(column.data_type for column in table.columns if column.name == name))
    return Decimal(1).scaleb(-kind.scale) if pa.types.is_decimal(kind) else Decimal(1)
