"""Delimited text: from the bytes of a delivered file to columns, with every record's place kept.

`open_csv` finds the encoding and the delimiter from the content; `CsvFile.chunks` gives records by
column. Stamps are read by `stamps.py`, money by `amounts.py`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.base import InputFile, Rejected, UnreadableFile
from customer360.connectors.encodings import find_encoding, open_text

CHUNK_ROWS: Final = 100_000
DELIMITERS: Final = (",", ";", "\t", "|")
# Words that stand for "no value" in the exports read here, compared lower-cased.
NULL_WORDS: Final = frozenset({"", "null", "\\n", "nan", "none", "n/a", "#n/a", "--"})

_SAMPLE_RECORDS = 25
_FIELD_LIMIT = 1_048_576  # characters; a longer cell is a quote that was never closed

Mask = npt.NDArray[np.bool_]


def fold(name: str) -> str:
    """Column name without case, spaces and punctuation: 'Campaign ID' and 'campaign_id' are one."""
    return re.sub(r"[\W_]+", "", name.lower())


def nullify(value: str, nulls: frozenset[str] = NULL_WORDS) -> str | None:
    """`value` without surrounding blanks; None if it is one of `nulls`."""
    value = value.strip()
    return None if value.lower() in nulls else value


@dataclass(slots=True)
class Record:
    """One record of a delimited file: its cells, its 1-based first physical line, and its text."""

    cells: list[str]
    line: int
    text: str
    broken: bool = False  # a quote in it is never closed


@dataclass
class Records:
    """Good records of one stretch of a file, by column, and the refused ones between them."""

    file: str
    encoding: str
    header: list[str]
    cells: list[str] = field(default_factory=list)  # of all rows, one after the other
    row_number: list[int] = field(default_factory=list)  # 1-based; headers and blank lines do not count
    line: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.row_number)

    @property
    def rows_read(self) -> int:
        """Source records in this stretch, good and refused."""
        return len(self.row_number) + len(self.rejected)

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """Cells as delivered, by folded column name (see `fold`); of two columns alike, the first."""
        found: dict[str, list[str]] = {}
        for place, name in enumerate(self.header):
            found.setdefault(fold(name), self.cells[place :: len(self.header)])
        return found

    def has(self, *names: str) -> bool:
        """Whether a column goes by one of `names`."""
        return any(fold(name) in self.columns for name in names)

    def values(self, *names: str, nulls: frozenset[str] = NULL_WORDS) -> list[str | None]:
        """Column called by the first of `names` that is there: stripped, `nulls` → None; else all None."""
        return self.column(*names, nulls=nulls).to_pylist()  # type: ignore[no-any-return]  # pyarrow is untyped

    def column(self, *names: str, nulls: frozenset[str] = NULL_WORDS) -> pa.Array:
        """`values` as an Arrow string array."""
        for name in names:
            cells = self.columns.get(fold(name))
            if cells is not None:
                trimmed = pc.utf8_trim_whitespace(pa.array(cells, pa.string()))
                empty = pc.is_in(pc.utf8_lower(trimmed), pa.array(sorted(nulls)))
                return pc.if_else(empty, None, trimmed)
        return pa.nulls(len(self), pa.string())

    def reject(self, where: Mask, reason: str, detail: str | None = None) -> list[Rejected]:
        """The records at the true places of `where`, refused for `reason`."""
        return [
            Rejected(
                file=self.file,
                row_number=self.row_number[i],
                reason=reason,
                line=self.line[i],
                detail=detail,
                raw=self.text[i].encode(self.encoding, "surrogatepass"),
            )
            for i in np.flatnonzero(where)
        ]


class CsvFile:
    """One delimited file whose encoding and delimiter are known. Reading it again starts anew."""

    def __init__(self, file: InputFile, encoding: str, delimiter: str, *, quoted: bool = True) -> None:
        self.path = file.path
        self.encoding = encoding
        self.delimiter = delimiter
        self._file = file
        self._quoted = quoted

    def records(self) -> Iterator[Record]:
        """Records in file order, headers included, blank lines left out."""
        with open_text(self._file, self.encoding) as lines:
            yield from split_records(lines, self.delimiter, quoted=self._quoted)

    def sample(self, count: int = _SAMPLE_RECORDS) -> list[list[str]]:
        """Cells of the first records."""
        return [record.cells for record in islice(self.records(), count)]

    def chunks(
        self,
        header: Sequence[str] | None = None,
        *,
        skip: int = 0,
        min_width: int | None = None,
        rows: int = CHUNK_ROWS,
    ) -> Iterator[Records]:
        """Records by column, at most `rows` at a time, after `skip` records before the header.

        Without `header` the next record is the header. A record that is not as wide as the header
        is refused (`bad_width`); with `min_width`, shorter ones down to that width are filled up.
        Also refused: `broken_quote`, `nul_byte`. Raises UnreadableFile('no_header') if there is none.
        """
        stream = islice(self.records(), skip, None)
        if header is None:
            first = next(stream, None)
            if first is None:
                raise UnreadableFile("no_header", f"after {skip} records")
            header = [cell.strip() for cell in first.cells]
        names = list(header)
        chunk = Records(self.path, self.encoding, names)
        for number, record in enumerate(stream, 1):
            reason = _fit(record, len(names), min_width)
            if reason is None:
                chunk.cells.extend(record.cells)
                chunk.row_number.append(number)
                chunk.line.append(record.line)
                chunk.text.append(record.text)
            else:
                chunk.rejected.append(self._refuse(record, number, reason, len(names)))
            if chunk.rows_read >= rows:
                yield chunk
                chunk = Records(self.path, self.encoding, names)
        if chunk.rows_read:
            yield chunk

    def _refuse(self, record: Record, number: int, reason: str, width: int) -> Rejected:
        detail = f"{len(record.cells)} cells instead of {width}" if reason == "bad_width" else None
        raw = record.text.encode(self.encoding, "surrogatepass")
        return Rejected(self.path, number, reason, record.line, detail, raw)


def open_csv(file: InputFile, encoding: str = "auto", *, delimiter: str | None = None, quoted: bool = True) -> CsvFile:
    """`file` as delimited text; `encoding` as in sources.yml, `delimiter` found by content if None.

    `quoted` False: quotes are ordinary characters. Raises UnreadableFile: empty, wrong_encoding,
    truncated_archive.
    """
    encoding = find_encoding(file, encoding)
    if delimiter is None:
        with open_text(file, encoding) as lines:
            delimiter = sniff_delimiter(list(islice(lines, 4 * _SAMPLE_RECORDS)))
    return CsvFile(file, encoding, delimiter, quoted=quoted)


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts `lines` into the most even records of more than one cell; ',' if none."""

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = Counter(
            len(record.cells)
            for record in islice(split_records(iter(lines), delimiter), _SAMPLE_RECORDS)
            if len(record.cells) > 1
        )
        if not widths:
            return (0.0, 0)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        return (count / max(1, min(len(lines), _SAMPLE_RECORDS)), width)

    # A clear winner in evenness decides; among about even ones, the one that makes more cells.
    scores = {delimiter: evenness(delimiter) for delimiter in DELIMITERS}
    best = max(score for score, _ in scores.values())
    near = [delimiter for delimiter in DELIMITERS if scores[delimiter][0] >= 0.9 * best]
    return max(near, key=lambda delimiter: scores[delimiter][1]) if best > 0 else ","


def split_records(lines: Iterator[str], delimiter: str, *, quoted: bool = True) -> Iterator[Record]:
    """Records of `lines` (with their line ends), by the rules of Python's csv module; several blanks are one delimiter.

    A quote that is never closed costs the line it stands on, not the rest of the file: that line
    comes as a `broken` record and reading goes on with the next.
    """
    source = _Lines(lines)
    csv.field_size_limit(_FIELD_LIMIT)
    reader = _reader(source, delimiter, quoted)
    widths: set[int] = set()  # of the records that stand on one line
    while True:
        source.mark()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = []
        else:
            if not cells:
                continue
            if len(source.taken) == 1 and not source.exhausted:
                widths.add(len(cells))
                yield Record(cells, source.first_line, source.text())
                continue
            if not source.exhausted and _well_quoted(source.taken, delimiter, len(cells), widths):
                yield Record(cells, source.first_line, source.text())
                continue
        # The quote ran on to the end of the file, over the limit, or into another record.
        yield Record(cells[:1], source.first_line, source.keep_first(), broken=True)
        reader = _reader(source, delimiter, quoted)


class _Lines:
    """Physical lines, with those of the record being read kept, and given back when it was none."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []  # lines given back, last first
        self.taken: list[str] = []
        self.first_line = 1
        self.exhausted = False  # the record being read ran into the end of the file

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.pop()
        else:
            try:
                line = next(self._lines)
            except StopIteration:
                self.exhausted = True
                raise
        self.taken.append(line)
        return line

    def mark(self) -> None:
        """A new record begins here."""
        self.first_line += len(self.taken)
        self.taken = []

    def keep_first(self) -> str:
        """Give all lines of this record but the first back; return the first."""
        first, *rest = self.taken
        self._again.extend(reversed(rest))
        self.taken = [first]
        self.exhausted = False
        return first.rstrip("\r\n")

    def text(self) -> str:
        return (self.taken[0] if len(self.taken) == 1 else "".join(self.taken)).rstrip("\r\n")


def _reader(lines: Iterator[str], delimiter: str, quoted: bool) -> Iterator[list[str]]:
    if delimiter == " ":
        lines = map(_one_blank, lines)
    if not quoted:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter)


def _one_blank(line: str) -> str:
    """A line whose cells are set in columns by blanks: as many as there are between two cells count as one."""
    text = line.rstrip("\r\n")
    return re.sub(" +", " ", text.strip(" ")) + line[len(text) :]


def _well_quoted(lines: list[str], delimiter: str, width: int, widths: set[int]) -> bool:
    """Whether several lines make one record: as wide as others, and no quote ends amid a cell."""
    if widths and width not in widths:
        return False
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def _fit(record: Record, width: int, min_width: int | None) -> str | None:
    """Why `record` cannot be used, or None; fills a short record up where that is allowed."""
    if record.broken:
        return "broken_quote"
    cells = record.cells
    if len(cells) != width:
        if min_width is None or not min_width <= len(cells) < width:
            return "bad_width"
        cells.extend([""] * (width - len(cells)))
    return "nul_byte" if "\0" in record.text else None
