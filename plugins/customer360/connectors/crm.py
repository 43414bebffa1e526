"""What CRM exports share: which object a CSV holds, and columns under many names → contract rows.

The object is known by the columns a file has, never by its name. A column may go by several names (API,
warehouse, label); where a file has more than one of them, the first that has a value counts. A value that
does not fit its contract column refuses the record and names the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors.amounts import uses_decimal_comma
from customer360.connectors.base import Batch, InputFile, UnreadableFile, table
from customer360.connectors.convert import as_text, convert
from customer360.connectors.mapping import column_type
from customer360.connectors.text import Records, fold, open_csv
from customer360.contracts import ENTITY_FIELDS

if TYPE_CHECKING:
    from customer360.sources import Source

Mask = npt.NDArray[np.bool_]
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """An exported object: it has every column of `every` and, of each group in `some`, at least one."""

    name: str
    every: frozenset[str]
    some: tuple[frozenset[str], ...] = ()
    never: frozenset[str] = frozenset()

    def fits(self, header: frozenset[str]) -> bool:
        some = all(group & header for group in self.some)
        return self.every <= header and some and not self.never & header


def shape(name: str, every: str, *some: str, never: str = "") -> Shape:
    """A Shape from blank-separated column names, folded."""
    return Shape(name, _folded(every), tuple(_folded(group) for group in some), _folded(never))


def _folded(names: str) -> frozenset[str]:
    return frozenset(fold(name) for name in names.split())


def detect(header: Iterable[str], shapes: Iterable[Shape], prefix: str = "") -> Shape:
    """The first shape that fits. Raises UnreadableFile('unknown_object')."""
    found = frozenset(fold(name).removeprefix(prefix) for name in header)
    for each in shapes:
        if each.fits(found):
            return each
    raise UnreadableFile("unknown_object", f"no known object has these {len(found)} columns")


def chunks(file: InputFile, source: Source) -> Iterator[Records]:
    """Records of the CSV by column; an empty header is refused."""
    yield from open_csv(file, source.encoding).chunks()


@dataclass
class Builder:
    """Contract rows of one stretch of an export. Fill it, then take `batch()`."""

    rows: Records
    source: Source
    system: str
    prefix: str = ""  # what warehouse copies put before property names
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    refused: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    columns_read: dict[str, pa.Array] = field(default_factory=dict)
    collapsed: dict[int, int] = field(default_factory=dict)

    def text(self, *names: str) -> pa.Array:
        """First value among the columns that go by one of `names`, as trimmed text."""
        found = [self._column(name) for name in self._spellings(names)]
        if not found:
            return pa.nulls(len(self.rows), pa.string())
        return found[0] if len(found) == 1 else pc.coalesce(*found)

    def has(self, *names: str) -> bool:
        """Whether the file has a column that goes by one of `names`."""
        return bool(self._spellings(names))

    def _spellings(self, names: Iterable[str]) -> list[str]:
        """Folded names of the file's columns that go by one of `names`, in the order of `names`."""
        folded = (fold(spelling) for name in names for spelling in (name, self.prefix + name))
        return [name for name in dict.fromkeys(folded) if name in self.rows.columns]

    def _column(self, name: str) -> pa.Array:
        if name not in self.columns_read:
            self.columns_read[name] = self.rows.column(name)
        return self.columns_read[name]

    def typed(self, kind: pa.DataType, *names: str) -> pa.Array:
        """`text` as `kind`; records whose value does not fit are refused."""
        return self.converted(self.text(*names), kind, self.called(*names))

    def converted(self, cells: pa.Array, kind: pa.DataType, column: str) -> pa.Array:
        """Text as `kind`; records whose value does not fit are refused, naming `column`."""
        comma = pa.types.is_decimal(kind) and uses_decimal_comma(cells)
        converted, misfit = convert(cells, kind, self.source, decimal_comma=comma)
        self.refuse(misfit, "bad_value", column)
        return converted

    def called(self, *names: str) -> str:
        """What the file calls the first of its columns that goes by one of `names`."""
        spelling = next(iter(self._spellings(names)), None)
        return next((name for name in self.rows.header if fold(name) == spelling), names[0])

    def columns(self, entity: str, names: Mapping[str, Names]) -> dict[str, pa.Array]:
        """Contract columns of `entity` from the file's columns by their `names`."""
        return {
            column: self.typed(column_type(entity, column), *aliases)
            for column, aliases in names.items()
            if self.has(*aliases)
        }

    def constant(self, value: object) -> pa.Array:
        return pa.repeat(pa.scalar(value), len(self.rows))

    def reference(self, kind: str, ids: pa.Array) -> pa.Array:
        """'<system>:<kind>:<id>' where there is an id."""
        return pc.binary_join_element_wise(f"{self.system}:{kind}", ids, ":")

    def refuse(self, where: Mask, reason: str, column: str | None = None) -> None:
        """Refuse records; the first reason found for a record stays."""
        for index in np.flatnonzero(where).tolist():
            self.refused.setdefault(index, (reason, column))

    def add(self, entity: str, ids: pa.Array, columns: Mapping[str, pa.Array], where: pa.Array | None = None) -> None:
        """Rows of `entity` with record ids `ids`; records without an id or a required value are refused."""
        there = self.constant(True) if where is None else where.fill_null(False)
        wanted = there.to_numpy(zero_copy_only=False)
        self.refuse(wanted & ids.is_null().to_numpy(zero_copy_only=False), "missing_id")
        for required in ENTITY_FIELDS[entity]:
            if not required.nullable:
                missing = columns[required.name].is_null().to_numpy(zero_copy_only=False)
                self.refuse(wanted & missing, "missing_value", required.name)
        self._put(entity, {"source_record_id": ids, **columns}, there)

    def identify(
        self,
        record_kind: str | pa.Array,
        ids: pa.Array,
        identifier_type: str,
        values: pa.Array,
        *,
        valid: bool = True,
        index: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Identifiers of the records `ids`; addresses and numbers are normalised, each distinct one once.

        `valid` False: never used to link. `index`: which record each of `values` belongs to; without it they
        are as many as the records.
        """
        index = np.arange(len(self.rows)) if index is None else index
        usable: pa.Array = pa.repeat(True, len(values))
        if identifier_type == "email":
            values, usable, _ = normalise.email_column(values)
        elif identifier_type in {"phone", "fax"}:
            values, usable, _ = normalise.phone_column(values, self.source.phone_region)
        kinds = self.constant(record_kind) if isinstance(record_kind, str) else record_kind
        owners = ids.take(pa.array(index))
        self._put(
            "identifier",
            {
                "source_record_id": owners,
                "record_kind": kinds.take(pa.array(index)),
                "identifier_type": pa.repeat(identifier_type, len(values)),
                "identifier_value": values,
                "is_valid": usable.fill_null(False) if valid else pa.repeat(False, len(values)),
            },
            pc.and_(pc.is_valid(values), pc.is_valid(owners)),
            index,
        )

    def each_of(self, separator: str, *names: str) -> tuple[pa.Array, npt.NDArray[np.int64]]:
        """Values listed in one cell, parted by the pattern `separator`, and which record each belongs to."""
        lists = pc.split_pattern_regex(self.text(*names), separator)
        parts = as_text(pc.list_flatten(lists))
        there = parts.is_valid()
        index = pc.list_parent_indices(lists).filter(there).to_numpy(zero_copy_only=False)
        return parts.filter(there), index.astype(np.int64)

    def _put(
        self,
        entity: str,
        columns: Mapping[str, pa.Array],
        where: pa.Array,
        index: npt.NDArray[np.int64] | None = None,
    ) -> None:
        index = np.arange(len(self.rows)) if index is None else index
        numbers = np.asarray(self.rows.row_number, np.int64)[index]
        numbered = {**columns, "row_number": pa.array(numbers), "\0index": pa.array(index)}
        self.tables.setdefault(entity, []).append(pa.table(numbered).filter(where))

    def batch(self) -> Batch:
        """Everything put so far, without the records refused meanwhile."""
        refused = pa.array(sorted(self.refused), pa.int64())
        tables: dict[str, pa.Table] = {}
        for entity, parts in self.tables.items():
            kept = [part.filter(pc.invert(pc.is_in(part.column("\0index"), refused))) for part in parts]
            tables[entity] = pa.concat_tables([_complete(entity, part) for part in kept])
        rejected = [*self.rows.rejected]
        for (reason, column), indexes in self._by_reason().items():
            where = np.zeros(len(self.rows), np.bool_)
            where[indexes] = True
            rejected += self.rows.reject(where, reason, column)
        return Batch(self.rows.rows_read, tables, rejected, self.collapsed)

    def _by_reason(self) -> dict[tuple[str, str | None], list[int]]:
        grouped: dict[tuple[str, str | None], list[int]] = {}
        for index, reason in self.refused.items():
            grouped.setdefault(reason, []).append(index)
        return grouped


def _complete(entity: str, part: pa.Table) -> pa.Table:
    columns = {name: part.column(name) for name in part.column_names if name != "\0index"}
    return table(entity, columns)


def content_ids(rows: Records) -> pa.Array:
    """`row:<16 hex digits>` of each record's text: for exports without ids; equal records are one."""
    return pa.array(
        [
            f"row:{md5(text.encode('utf-8', 'surrogatepass'), usedforsecurity=False).hexdigest()[:16]}"
            for text in rows.text
        ]
    )


def json_consent(opted_out: Mapping[str, pa.Array]) -> pa.Array:
    """Consent JSON from opt-out flags by channel: {"email": false}; channels without a flag left out.

    Whoever has not opted out may be contacted: true.
    """
    lists = {channel: flags.to_pylist() for channel, flags in opted_out.items()}
    rows = len(next(iter(lists.values()), []))
    out: list[str | None] = []
    for index in range(rows):
        stated = {channel: flags[index] for channel, flags in lists.items() if flags[index] is not None}
        members = ", ".join(f'"{channel}": {"false" if out_ else "true"}' for channel, out_ in sorted(stated.items()))
        out.append(f"{{{members}}}" if members else None)
    return pa.array(out, pa.string())


def json_text(name: str, values: pa.Array) -> pa.Array:
    """JSON object with one text, {"name": "value"}, without quotes or backslashes in it; null where there is none."""
    plain = pc.replace_substring_regex(values, r'["\\\x00-\x1f]', "")
    return pc.binary_join_element_wise(f'{{"{name}": "', plain, '"}', "")
