"""Which rows of tonight's mart differ from those served: two integers a row are all that is compared.

A row's identity is a 64-bit hash of its key columns and its content one of all its columns, both DuckDB's `hash`
(a tenth of the cost of MD5 over the row's text). That function may change with a DuckDB release. Nothing
depends on it staying: the first night after such a release replaces every row by an equal one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.binary import arrow_type
from customer360.publish.marts import Mart, MartError

HASHES = ("row_key", "row_hash")


@dataclass(frozen=True, slots=True)
class Difference:
    """`sent`: rows to load, with HASHES. `closed`: row_key of the served rows they replace or that are gone."""

    sent: pa.Table
    closed: pa.Array
    inserted: int
    changed: int
    removed: int


def conform(mart: Mart, rows: pa.Table) -> pa.Table:
    """`rows` in the mart's columns, order and types; NUL, which PostgreSQL cannot hold, becomes U+FFFD.

    The same content gives the same table whichever engine computed it. Raises MartError for a column that is
    missing or does not fit its type.
    """
    missing = [column.name for column in mart.columns if column.name not in rows.column_names]
    if missing:
        raise MartError(f"{mart.name}: the engine's table lacks {', '.join(missing)}")
    columns = {}
    for column in mart.columns:
        try:
            fitted = rows.column(column.name).cast(arrow_type(column.data_type))
        except pa.ArrowInvalid:  # its text quotes a value
            raise MartError(f"{mart.name}.{column.name}: a value does not fit {column.data_type}") from None
        columns[column.name] = _without_nul(fitted) if pa.types.is_large_string(fitted.type) else fitted
    return pa.table(columns)


def keys(mart: Mart, rows: pa.Table, gone: pa.Table) -> pa.Array:
    """row_key of `rows` (as `conform` gives them) and of `gone`, which has the key columns only."""
    kinds = {column.name: arrow_type(column.data_type) for column in mart.columns}
    fitted = pa.table({name: gone.column(name).cast(kinds[name]) for name in mart.key})
    with duckdb.connect() as engine:
        engine.register("rows", rows.select(list(mart.key)))
        engine.register("gone", fitted)
        union = "select * from rows union all select * from gone"
        found = engine.sql(f"select distinct {_hash(mart.key)} as row_key from ({union})").to_arrow_table()
    return _signed(found.column("row_key")).combine_chunks()


def compare(mart: Mart, rows: pa.Table, served: pa.Table) -> Difference:
    """`rows` (as `conform` gives them) against `served`, the HASHES of what readers see.

    Raises MartError when two rows share a key.
    """
    with duckdb.connect() as engine:
        engine.execute("set preserve_insertion_order = true")  # hashes are put beside the rows they are of
        engine.register("rows", rows)
        columns = [column.name for column in mart.columns]
        hashed = engine.sql(
            f"select {_hash(mart.key)} as row_key, {_hash(columns)} as row_hash from rows"
        ).to_arrow_table()
        hashed = pa.table({name: _signed(hashed.column(name)) for name in HASHES})
        rows = rows.append_column("row_key", hashed["row_key"]).append_column("row_hash", hashed["row_hash"])
        _refuse_duplicates(mart, hashed["row_key"])
        if not served.num_rows:
            return Difference(rows, pa.array([], pa.int64()), rows.num_rows, 0, 0)
        engine.register("tonight", hashed.append_column("position", pa.array(np.arange(rows.num_rows))))
        engine.register("served", served)
        moved = engine.sql(
            "select t.position, t.row_key, s.row_key is null as is_new from tonight t left join served s"
            " using (row_key) where s.row_key is null or s.row_hash <> t.row_hash order by t.position"
        ).to_arrow_table()
        gone = engine.sql("select row_key from served anti join tonight using (row_key)").to_arrow_table()
    replaced = moved["row_key"].filter(pc.invert(moved["is_new"]))
    closed = pa.chunked_array([*gone["row_key"].chunks, *replaced.chunks], pa.int64()).combine_chunks()
    return Difference(
        rows.take(moved["position"]), closed, moved.num_rows - len(replaced), len(replaced), gone.num_rows
    )


def _refuse_duplicates(mart: Mart, keys: pa.ChunkedArray) -> None:
    ordered = np.sort(keys.to_numpy())
    twice = len(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
    if twice:
        raise MartError(f"{mart.name}: {twice} keys ({', '.join(mart.key)}) stand more than once")


def _hash(columns: Sequence[str]) -> str:
    return f"hash({', '.join(f'{chr(34)}{name}{chr(34)}' for name in columns)})"


def _signed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Unsigned 64 bits as PostgreSQL's bigint, which has a sign, without copying."""
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], pa.int64())


def _without_nul(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    buffers = (chunk.buffers()[2] for chunk in texts.chunks)
    if all(data is None or np.frombuffer(data, np.uint8).all() for data in buffers):
        return texts
    return pc.replace_substring(texts, pattern="\0", replacement="\ufffd")
