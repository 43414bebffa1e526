"""The lake: append-only Parquet, one file per batch and entity: `<lake>/<source>/<entity>/<batch_id>.parquet`.

The writer adds provenance and keys to what a connector hands over, cleans what no database takes
(NUL), and counts duplicates: a record whose rows all stand, with the same content and the same
identifiers, earlier in the delivery or in another active batch of the source. Duplicates are counted but
still written; staging keeps one. So replacing the file that came first loses nothing.

`row_hash` is DuckDB's hash: fast, and only ever compared to decide what counts as a duplicate.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import uuid
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import IO, Any, Final, NamedTuple

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from customer360.cleaning import clean
from customer360.connectors.base import Batch, Rejected
from customer360.contracts import ENTITIES, PROVENANCE, REJECTED_FIELDS, lake_schema
from customer360.engines.base import LakeFile
from customer360.keys import SEPARATOR
from customer360.sampling import Sample

ROW_GROUP: Final = 122_880  # what DuckDB reads at once per thread; the least of a group but the last
_KIND_COLUMN: Final = frozenset({"contact_record", "identifier"})  # entities whose rows name their record kind
_DISTINCT: Final = frozenset({"record_key", "row_hash", "identifier_key", "row_number", "source_record_id"})
# What a reader may skip row groups by; statistics of texts nobody searches for cost a tenth of the writing.
_STATISTICS: Final = (
    "source",  # Spark drops a batch's files by these two
    "batch_id",
    "occurred_at",
    "observed_at",
    "created_at",
    "spend_date",
    "changed_at",
    "ordered_at",
    "row_number",
)


class _Open(NamedTuple):
    """A Parquet file being written under a name that nothing reads."""

    writer: pq.ParquetWriter
    stream: IO[bytes]
    temporary: str


class LakeWriter:
    """Writes one delivery. Use: `add` each Batch, then `finish`, then `commit`; or `abort` at any time.

    Until `commit` the files carry temporary names. Holds one row group per entity and 32 bytes per row of
    the delivery, whatever its size.
    """

    def __init__(
        self,
        lake: str,
        source: str,
        batch_id: str,
        as_of: datetime,
        others: Sequence[LakeFile],
        sample: Sample | None = None,
        *,
        again: bool = False,
    ) -> None:
        """`others` are the source's other active files; `sample` is given every row as it is written; `again`
        says that an attempt at this batch was made before."""
        self.filesystem, self.root = fsspec.core.url_to_fs(lake)
        self.source = source
        self.batch_id = batch_id
        self.as_of = as_of
        self.rows_read = self.rows_rejected = self.rows_duplicate = self.rows_cleaned = 0
        self.entity_rows: dict[str, int] = {}
        self._others = others
        self._sample = sample
        self._again = again
        self._is_finished = False
        self._open: dict[str, _Open] = {}
        self._pending: dict[str, list[pa.Table]] = {}
        self._delivered: dict[str, list[pa.Table]] = {}  # (record_key, row_hash, row_number) by entity
        self._collapsed: dict[int, int] = {}
        self._engine = duckdb.connect()
        self._engine.execute("set threads = 2")
        self._token = uuid.uuid4().hex[:8]

    def add(self, batch: Batch) -> None:
        """Take in one batch. Rows are written a row group at a time."""
        self.rows_read += batch.rows_read
        self.rows_rejected += len(batch.rejected)
        self._collapsed.update(batch.collapsed)
        for entity, table in batch.tables.items():
            if table.num_rows:
                self._pending.setdefault(entity, []).append(table)
        if batch.rejected:
            self._write("rejected", self._rejects(batch.rejected))
        if max((sum(part.num_rows for part in parts) for parts in self._pending.values()), default=0) >= ROW_GROUP:
            self._flush()

    def finish(self) -> None:
        """Write out what is left, close the files, count `rows_duplicate`. Nothing is visible yet."""
        self._flush()
        for opened in self._open.values():
            opened.writer.close()
            if isinstance(self.filesystem, LocalFileSystem):
                opened.stream.flush()
                os.fsync(opened.stream.fileno())  # the ledger must never know more than the disk
            opened.stream.close()
        self.rows_duplicate = self._count_duplicates()
        self._delivered.clear()
        self._engine.close()
        self._is_finished = True

    def commit(self) -> dict[str, int]:
        """Give the files their names (after `finish`, if that is still to be done), and remove what dead
        attempts at this batch left; rows by entity."""
        if not self._is_finished:
            self.finish()
        for entity in (*ENTITIES, "rejected"):
            final = self._path(entity, f"{self.batch_id}.parquet")
            if entity in self._open:
                self._rename(self._open.pop(entity).temporary, final)
            elif self.filesystem.exists(final):
                self.filesystem.rm_file(final)
            if self._again:
                self._remove_leftovers(posixpath.dirname(final))
        return dict(self.entity_rows)

    def abort(self) -> None:
        """Remove what was written; does nothing after `commit`."""
        for opened in self._open.values():
            with contextlib.suppress(OSError, pa.ArrowException):  # half written: it is removed anyway
                opened.writer.close()
            with contextlib.suppress(OSError):
                opened.stream.close()
            with contextlib.suppress(FileNotFoundError):  # a newer attempt swept it
                self.filesystem.rm_file(opened.temporary)
        self._open.clear()
        self._pending.clear()
        self._engine.close()

    # Rows -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        tables: dict[str, pa.Table] = {}
        cleaned: set[int] = set()
        for entity, parts in self._pending.items():
            tables[entity], numbers = clean(pa.concat_tables(parts))
            cleaned.update(numbers)
        self._pending.clear()
        self.rows_cleaned += len(cleaned)
        if not tables:
            return
        first = min(pc.min(table.column("row_number")).as_py() for table in tables.values())
        last = max(pc.max(table.column("row_number")).as_py() for table in tables.values())
        marks = self._identifier_marks(tables.get("identifier"), first, last)
        keyed: dict[str, pa.Table] = {}
        for entity, table in sorted(tables.items(), key=lambda item: item[0] == "identifier"):
            built = self._complete(entity, table, marks[_offsets(table, first)], keyed)
            if entity != "identifier":
                keyed[entity] = built
                pairs = built.select(["record_key", "row_hash", "row_number"])
                self._delivered.setdefault(entity, []).append(pairs)
            if self._sample is not None:
                self._sample.add(entity, built)
            self._write(entity, built)

    def _identifier_marks(self, identifiers: pa.Table | None, first: int, last: int) -> np.ndarray[Any, Any]:
        """For every row number of `first` … `last`, one number for its set of identifiers; 0 for none.

        Part of `row_hash`: a contact whose only change is a new telephone number is no duplicate.
        """
        marks = np.zeros(last - first + 1, np.uint64)
        if identifiers is not None:
            content = ", ".join(_content(identifiers))
            hashes = self._select(identifiers, f"hash({content}) as mark").column("mark").to_numpy()
            np.add.at(marks, _offsets(identifiers, first), hashes)  # a sum: their order does not matter
        return marks

    def _complete(
        self, entity: str, table: pa.Table, marks: np.ndarray[Any, Any], keyed: Mapping[str, pa.Table]
    ) -> pa.Table:
        """Provenance, keys and hash in front of the connector's columns."""
        rows = table.num_rows
        columns: dict[str, Any] = {
            **self._provenance(rows),
            **self._keys(entity, table, marks, keyed),
            **{name: table.column(name) for name in table.column_names},
        }
        schema = lake_schema(entity)
        return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)

    def _keys(
        self, entity: str, table: pa.Table, marks: np.ndarray[Any, Any], keyed: Mapping[str, pa.Table]
    ) -> dict[str, pa.ChunkedArray]:
        content = _content(table)
        record_key = None
        if entity == "identifier":
            select = [f"{_key('identifier_type', 'identifier_value')} as identifier_key"]
            record_key = _borrowed_keys(table, keyed)
        else:
            select = []
            table = table.append_column("identifier_mark", pa.array(marks))
            content.append("identifier_mark")
        select.append(f"hash({', '.join(content)}) as row_hash")
        if record_key is None:
            kind = "record_kind" if entity in _KIND_COLUMN else _literal(entity)
            select.append(f"{_key(_literal(self.source), kind, 'source_record_id')} as record_key")
        found = self._select(table, *select)
        keys = {name: signed(found.column(name)) for name in found.column_names}
        return keys if record_key is None else {**keys, "record_key": record_key}

    def _select(self, table: pa.Table, *expressions: str) -> pa.Table:
        """Expressions over the rows of `table`, in their order."""
        self._engine.register("rows", table)
        found: pa.Table = self._engine.sql(f"select {', '.join(expressions)} from rows").to_arrow_table()
        self._engine.unregister("rows")
        return found

    def _provenance(self, rows: int) -> dict[str, pa.Array]:
        values = (self.source, self.batch_id, self.as_of)
        return {
            field.name: pa.repeat(pa.scalar(value, field.type), rows)
            for field, value in zip(PROVENANCE, values, strict=True)
        }

    def _rejects(self, rejected: Sequence[Rejected]) -> pa.Table:
        columns: dict[str, Any] = self._provenance(len(rejected))
        columns |= {f.name: pa.array([getattr(each, f.name) for each in rejected], f.type) for f in REJECTED_FIELDS}
        return pa.Table.from_arrays(list(columns.values()), schema=lake_schema("rejected"))

    # Duplicates -----------------------------------------------------------------------------------

    def _count_duplicates(self) -> int:
        """Source records all of whose rows are duplicates, with the records collapsed into them."""
        parts = [self._marked(entity, pa.concat_tables(tables)) for entity, tables in self._delivered.items()]
        if not any(pc.any(part.column("is_duplicate")).as_py() for part in parts):
            return 0
        every = pa.concat_tables(parts).group_by("row_number").aggregate([("is_duplicate", "min")])
        numbers = every.filter(every.column("is_duplicate_min")).column("row_number").to_pylist()
        return sum(1 + self._collapsed.get(number, 0) for number in numbers)

    def _marked(self, entity: str, rows: pa.Table) -> pa.Table:
        """(row_number, is_duplicate) of every row: an earlier row of the delivery, or one of another
        batch, has its key and hash."""
        known = self._known(entity, rows)
        if not known.num_rows and _all_different(rows.column("row_hash")):
            return pa.table({"row_number": rows.column("row_number"), "is_duplicate": np.zeros(len(rows), np.bool_)})
        self._engine.register("delivered", rows)
        self._engine.register("known", known)
        found: pa.Table = self._engine.sql(
            """
            select row_number, k.record_key is not null
                or row_number > min(row_number) over (partition by d.record_key, d.row_hash) as is_duplicate
            from delivered as d
            left join known as k on k.record_key = d.record_key and k.row_hash = d.row_hash
            """
        ).to_arrow_table()
        for name in ("delivered", "known"):
            self._engine.unregister(name)
        return found

    def _known(self, entity: str, rows: pa.Table) -> pa.Table:
        """Distinct (record_key, row_hash) of `rows` that other batches hold: their files are read once, two
        columns of them, and only what matches is kept."""
        paths = [self.filesystem._strip_protocol(other.path) for other in self._others if other.entity == entity]
        if not paths:
            return rows.select(["record_key", "row_hash"]).slice(0, 0)
        others = ds.dataset(paths, schema=_PAIR, filesystem=self.filesystem, format="parquet")
        self._engine.register("delivered", rows)
        self._engine.register("others", others)
        found: pa.Table = self._engine.sql(
            "select distinct record_key, row_hash from others semi join delivered using (record_key, row_hash)"
        ).to_arrow_table()
        for name in ("delivered", "others"):
            self._engine.unregister(name)
        return found

    # Files ----------------------------------------------------------------------------------------

    def _write(self, entity: str, table: pa.Table) -> None:
        if entity not in self._open:
            temporary = self._path(entity, f".{self.batch_id}.{self._token}.tmp")
            self.filesystem.makedirs(posixpath.dirname(temporary), exist_ok=True)
            stream = self.filesystem.open(temporary, "wb")
            schema = lake_schema(entity)
            repeating = [name for name in schema.names if name not in _DISTINCT]
            statistics = [name for name in _STATISTICS if name in schema.names]
            writer = pq.ParquetWriter(
                stream, schema, compression="zstd", use_dictionary=repeating, write_statistics=statistics
            )
            self._open[entity] = _Open(writer, stream, temporary)
        groups = max(1, table.num_rows // ROW_GROUP)
        self._open[entity].writer.write_table(table, row_group_size=-(-table.num_rows // groups))
        self.entity_rows[entity] = self.entity_rows.get(entity, 0) + table.num_rows

    def _rename(self, temporary: str, final: str) -> None:
        if isinstance(self.filesystem, LocalFileSystem):
            os.replace(temporary, final)  # noqa: PTH105  (fsspec gives texts)
            _sync_folder(posixpath.dirname(final))
        else:
            self.filesystem.mv(temporary, final)

    def _remove_leftovers(self, folder: str) -> None:
        """Temporary files of this batch: their attempts are dead, or will find themselves superseded."""
        self.filesystem.invalidate_cache()
        for path in self.filesystem.ls(folder, detail=False) if self.filesystem.exists(folder) else ():
            if posixpath.basename(path).startswith(f".{self.batch_id}."):
                self.filesystem.rm_file(path)

    def _path(self, entity: str, name: str) -> str:
        return posixpath.join(self.root, self.source, entity, name)


_PAIR: Final = pa.schema([pa.field("record_key", pa.int64()), pa.field("row_hash", pa.int64())])


def sweep(lake: str, older_than: datetime) -> int:
    """Remove temporary files that attempts killed before `older_than` left; how many there were."""
    filesystem, root = fsspec.core.url_to_fs(lake)
    filesystem.invalidate_cache()
    swept = 0
    for path, info in filesystem.find(root, detail=True).items():
        name = posixpath.basename(path)
        stamp = info.get("mtime") or info.get("LastModified") or info.get("updated") or info.get("created")
        seconds = stamp.timestamp() if hasattr(stamp, "timestamp") else stamp
        is_old = seconds is not None and seconds < older_than.timestamp()
        if name.startswith(".") and name.endswith(".tmp") and is_old:
            filesystem.rm_file(path)
            swept += 1
    return swept


def remove(lake: str, batches: Set[tuple[str, str]]) -> int:
    """Remove the files of batches, given as (source, batch_id); how many there were."""
    filesystem, root = fsspec.core.url_to_fs(lake)
    filesystem.invalidate_cache()
    removed = 0
    for path in filesystem.find(root) if batches else ():
        source, _, name = posixpath.relpath(path, root).partition("/")
        batch_id, extension = posixpath.splitext(posixpath.basename(name))
        if extension == ".parquet" and (source, batch_id) in batches:
            filesystem.rm_file(path)
            removed += 1
    return removed


def signed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unsigned 64-bit column, reinterpreted as signed without copying."""
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], type=pa.int64())


def _all_different(column: pa.ChunkedArray) -> bool:
    ordered = np.sort(column.to_numpy())
    return not bool((ordered[1:] == ordered[:-1]).any())


def _offsets(table: pa.Table, first: int) -> np.ndarray[Any, Any]:
    offsets: np.ndarray[Any, Any] = table.column("row_number").to_numpy() - first
    return offsets


def _borrowed_keys(identifiers: pa.Table, keyed: Mapping[str, pa.Table]) -> pa.ChunkedArray | None:
    """Record keys of identifiers from one entity's rows of the same records, which spares hashing them again;
    None unless every identifier is of a row there."""
    wanted = identifiers.column("row_number").to_numpy()
    for entity, records in keyed.items():
        numbers = records.column("row_number").to_numpy()
        places = np.searchsorted(numbers, wanted)  # if `numbers` are not in order, it is seen below
        if places.max() >= len(numbers):
            continue
        needed = [name for name in ("record_key", "source_record_id", "record_kind") if name in records.column_names]
        found = records.select(needed).take(places)
        kind = found.column("record_kind") if entity in _KIND_COLUMN else entity
        same = pc.and_(
            pc.equal(found.column("source_record_id"), identifiers.column("source_record_id")),
            pc.equal(kind, identifiers.column("record_kind")),
        )
        if pc.all(same).as_py():
            return found.column("record_key")
    return None


def _content(table: pa.Table) -> list[str]:
    """The columns whose values make a row what it is, quoted."""
    return [f'"{name}"' for name in table.column_names if name != "row_number"]


def _key(*parts: str) -> str:
    """SQL of `keys.key` over SQL expressions, as an unsigned number."""
    return f"md5_number_lower(concat_ws(chr({ord(SEPARATOR)}), {', '.join(parts)}))::ubigint"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
