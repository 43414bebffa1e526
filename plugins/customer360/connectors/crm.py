"""What CRM exports share: which object a CSV holds, and columns under many names → contract rows.

The object is known by the columns a file has, never by its name. A value that does not fit its
contract column refuses the record and names the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
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

    def text(self, *names: str) -> pa.Array:
        """First column that goes by one of `names`, as text."""
        known = [spelling for name in names for spelling in (name, self.prefix + name)]
        return self.rows.column(*known)

    def has(self, *names: str) -> bool:
        return self.rows.has(*names, *(self.prefix + name for name in names))

    def typed(self, kind: pa.DataType, *names: str) -> pa.Array:
        """The column as `kind`; records whose value does not fit are refused."""
        converted, misfit = convert(self.text(*names), kind, self.source)
        self.refuse(misfit, "bad_value", names[0])
        return converted

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
        self, record_kind: str, ids: pa.Array, identifier_type: str, values: pa.Array, *, valid: bool = True
    ) -> None:
        """Identifiers of the records `ids`; addresses and numbers are normalised, each distinct one once."""
        values = as_text(values)
        usable: pa.Array = pc.is_valid(values)
        if identifier_type in {"email", "phone", "fax"}:
            encoded = values.dictionary_encode()
            texts = encoded.dictionary.to_pylist()
            region = self.source.phone_region
            known = normalise.emails(texts) if identifier_type == "email" else normalise.phones(texts, region)
            usable = pa.array([each.is_valid for each in known], pa.bool_()).take(encoded.indices)
            values = pa.array([each.value for each in known], pa.string()).take(encoded.indices)
        there = pc.and_(pc.is_valid(values), pc.is_valid(ids))
        self._put(
            "identifier",
            {
                "source_record_id": ids,
                "record_kind": self.constant(record_kind),
                "identifier_type": self.constant(identifier_type),
                "identifier_value": values,
                "is_valid": usable.fill_null(False) if valid else self.constant(False),
            },
            there,
        )

    def _put(self, entity: str, columns: Mapping[str, pa.Array], where: pa.Array) -> None:
        numbered = {**columns, "row_number": pa.array(self.rows.row_number, pa.int64())}
        index = pa.array(np.arange(len(self.rows)), pa.int64())
        self.tables.setdefault(entity, []).append(
            pa.table(
                {
                    name: pa.array(column) if not isinstance(column, pa.Array | pa.ChunkedArray) else column
                    for name, column in {**numbered, "\0index": index}.items()
                }
            ).filter(where)
        )

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
        return Batch(self.rows.rows_read, tables, rejected)

    def _by_reason(self) -> dict[tuple[str, str | None], list[int]]:
        grouped: dict[tuple[str, str | None], list[int]] = {}
        for index, reason in self.refused.items():
            grouped.setdefault(reason, []).append(index)
        return grouped


def _complete(entity: str, part: pa.Table) -> pa.Table:
    columns = {name: part.column(name) for name in part.column_names if name != "\0index"}
    return table(entity, columns)


def json_consent(opted_out: Mapping[str, pa.Array]) -> pa.Array:
    """Consent JSON from opt-out flags by channel: {"email": false}; channels without a flag left out."""
    lists = {channel: flags.to_pylist() for channel, flags in opted_out.items()}
    rows = len(next(iter(lists.values()), []))
    out: list[str | None] = []
    for index in range(rows):
        stated = {channel: flags[index] for channel, flags in lists.items() if flags[index] is not None}
        members = ", ".join(f'"{channel}": {"false" if out_ else "true"}' for channel, out_ in sorted(stated.items()))
        out.append(f"{{{members}}}" if members else None)
    return pa.array(out, pa.string())
