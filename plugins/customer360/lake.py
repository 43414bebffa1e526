"""The lake: append-only Parquet, one file per batch and entity: `<lake>/<source>/<entity>/<batch_id>.parquet`.

The writer adds provenance and keys to what a connector hands over, cleans what no database takes
(NUL), and counts duplicates: a record whose rows all stand, with the same content, earlier in the
file or in another active batch of the source. Duplicates are counted but still written; staging
keeps one. So replacing the file that came first loses nothing.

`row_hash` is DuckDB's hash: fast, and only ever compared to decide what counts as a duplicate.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from customer360.connectors.base import Batch, Rejected
from customer360.contracts import PROVENANCE, REJECTED_FIELDS, TIMESTAMP, lake_schema
from customer360.engines.base import LakeFile
from customer360.keys import SEPARATOR

ROW_GROUP = 122_880
_KIND_COLUMN = {"contact_record", "identifier"}  # entities whose rows name their record kind


class LakeWriter:
    """Writes one delivery. Use: `add` each Batch, then `commit` (or `abort`).

    Until `commit` the files carry temporary names that nothing reads.
    """

    def __init__(self, lake: str, source: str, batch_id: str, as_of: datetime, others: Sequence[LakeFile]) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(lake)
        self.source = source
        self.batch_id = batch_id
        self.as_of = as_of
        self.rows_read = self.rows_rejected = self.rows_duplicate = self.rows_cleaned = 0
        self.entity_rows: dict[str, int] = {}
        self._others = others
        self._writers: dict[str, tuple[pq.ParquetWriter, Any, str]] = {}
        self._engine = duckdb.connect()
        self._engine.execute("set threads = 2")
        self._seen: set[str] = set()
        self._token = uuid.uuid4().hex[:8]

    def add(self, batch: Batch) -> dict[str, pa.Table]:
        """Write one batch; returns its tables as written (for the raw gate)."""
        self.rows_read += batch.rows_read
        self.rows_rejected += len(batch.rejected)
        written: dict[str, pa.Table] = {}
        flags: list[pa.Table] = []
        for entity, table in batch.tables.items():
            if table.num_rows == 0:
                continue
            built = self._complete(entity, table)
            if entity != "identifier":
                flags.append(self._flag_duplicates(entity, built))
            self._write(entity, built)
            written[entity] = built
        self.rows_duplicate += _duplicates(flags, batch.collapsed)
        if batch.rejected:
            self._write("rejected", self._rejects(batch.rejected))
        return written

    def commit(self) -> dict[str, int]:
        """Give the files their names; returns rows by entity."""
        for entity, (writer, stream, temporary) in self._writers.items():
            writer.close()
            stream.close()
            final = self._path(entity, f"{self.batch_id}.parquet")
            if self.filesystem.exists(final):  # a dead attempt at the same batch wrote the same rows
                self.filesystem.rm_file(final)
            self.filesystem.mv(temporary, final)
        self._writers.clear()
        self._engine.close()
        return dict(self.entity_rows)

    def abort(self) -> None:
        """Remove what was written."""
        for writer, stream, temporary in self._writers.values():
            writer.close()
            stream.close()
            self.filesystem.rm_file(temporary)
        self._writers.clear()
        self._engine.close()

    # Rows -----------------------------------------------------------------------------------------

    def _complete(self, entity: str, table: pa.Table) -> pa.Table:
        """Provenance, keys and hash in front of the connector's columns."""
        table, cleaned = clean(table)
        self.rows_cleaned += cleaned
        rows = table.num_rows
        keys = self._keys(entity, table)
        columns: dict[str, Any] = {
            "source": _constant(self.source, pa.string(), rows),
            "batch_id": _constant(self.batch_id, pa.string(), rows),
            "loaded_as_of": _constant(self.as_of, TIMESTAMP, rows),
            **keys,
            **{name: table.column(name) for name in table.column_names},
        }
        schema = lake_schema(entity)
        return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)

    def _keys(self, entity: str, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        kind = "record_kind" if entity in _KIND_COLUMN else _literal(entity)
        content = [f'"{name}"' for name in table.column_names if name != "row_number"]
        select = [
            f"md5_number_lower(concat_ws(chr({ord(SEPARATOR)}), {_literal(self.source)}, {kind},"
            " source_record_id))::ubigint as record_key",
            f"hash({', '.join(content)}) as row_hash",
        ]
        if entity == "identifier":
            select.append(
                f"md5_number_lower(concat_ws(chr({ord(SEPARATOR)}), identifier_type, identifier_value))::ubigint"
                " as identifier_key"
            )
        self._engine.register("rows", table)
        found = self._engine.sql(f"select {', '.join(select)} from rows").to_arrow_table()
        self._engine.unregister("rows")
        return {name: signed(found.column(name)) for name in found.column_names}

    def _flag_duplicates(self, entity: str, table: pa.Table) -> pa.Table:
        """Rows of `table` as (row_number, is_duplicate)."""
        seen = f'"seen_{entity}"'
        if entity not in self._seen:
            self._seen.add(entity)
            self._engine.execute(f"create table {seen} (record_key bigint, row_hash bigint)")
            for other in self._others:
                if other.entity == entity:
                    self._engine.register("other", self._pairs(other))
                    self._engine.execute(f"insert into {seen} select record_key, row_hash from other")
                    self._engine.unregister("other")
        self._engine.register("rows", table.select(["record_key", "row_hash", "row_number"]))
        flagged: pa.Table = self._engine.sql(
            f"""
            select row_number, exists (select 1 from {seen} s where s.record_key = r.record_key
                    and s.row_hash = r.row_hash)
                or row_number() over (partition by record_key, row_hash order by row_number) > 1 as is_duplicate
            from rows r
            """
        ).to_arrow_table()
        self._engine.execute(f"insert into {seen} select record_key, row_hash from rows")
        self._engine.unregister("rows")
        return flagged

    def _pairs(self, other: LakeFile) -> pa.Table:
        path = other.path.split("://", 1)[-1] if "://" in other.path else other.path
        return pq.read_table(path, columns=["record_key", "row_hash"], filesystem=self.filesystem, partitioning=None)

    def _rejects(self, rejected: Sequence[Rejected]) -> pa.Table:
        rows = len(rejected)
        columns: list[Any] = [
            _constant(self.source, pa.string(), rows),
            _constant(self.batch_id, pa.string(), rows),
            _constant(self.as_of, TIMESTAMP, rows),
        ]
        columns += [pa.array([getattr(each, f.name) for each in rejected], f.type) for f in REJECTED_FIELDS]
        return pa.Table.from_arrays(columns, schema=pa.schema((*PROVENANCE, *REJECTED_FIELDS)))

    # Files ----------------------------------------------------------------------------------------

    def _write(self, entity: str, table: pa.Table) -> None:
        if entity not in self._writers:
            temporary = self._path(entity, f".{self.batch_id}.{self._token}.tmp")
            self.filesystem.makedirs(posixpath.dirname(temporary), exist_ok=True)
            stream = self.filesystem.open(temporary, "wb")
            writer = pq.ParquetWriter(stream, lake_schema(entity), compression="zstd", use_dictionary=True)
            self._writers[entity] = (writer, stream, temporary)
        self._writers[entity][0].write_table(table, row_group_size=ROW_GROUP)
        self.entity_rows[entity] = self.entity_rows.get(entity, 0) + table.num_rows

    def _path(self, entity: str, name: str) -> str:
        return posixpath.join(self.root, self.source, entity, name)


def clean(table: pa.Table) -> tuple[pa.Table, int]:
    """Remove NUL characters from text columns; returns the table and how many values had one."""
    cleaned = 0
    for index, column in enumerate(table.columns):
        if not pa.types.is_string(column.type):
            continue
        has_nul = pc.match_substring(column, "\0")
        count = pc.sum(has_nul).as_py() or 0
        if count:
            cleaned += count
            table = table.set_column(
                index, table.field(index), pc.replace_substring(column, pattern="\0", replacement="")
            )
    return table, cleaned


def signed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unsigned 64-bit column, reinterpreted as signed without copying."""
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], type=pa.int64())


def _duplicates(flags: Sequence[pa.Table], collapsed: Mapping[int, int]) -> int:
    """Source records all of whose rows are duplicates, with the records collapsed into them."""
    if not flags or not any(pc.any(table.column("is_duplicate")).as_py() for table in flags):
        return 0
    every = pa.concat_tables(flags).group_by("row_number").aggregate([("is_duplicate", "min")])
    numbers = every.filter(every.column("is_duplicate_min")).column("row_number").to_pylist()
    return sum(1 + collapsed.get(number, 0) for number in numbers)


def _constant(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), rows)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
