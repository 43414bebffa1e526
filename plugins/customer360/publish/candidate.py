"""The candidate: the rows in which tonight's marts differ from what is served, loaded out of sight.

Only changed rows travel. A row's identity is a 64-bit hash of its key columns and its content a
64-bit hash of all its columns (MD5 of their text, the last 8 bytes), so that comparing a mart with
the store moves two integers a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.copying import copy_in, copy_out
from customer360.lake import signed
from customer360.publish import store
from customer360.publish.marts import Mart, MartError
from customer360.publish.runs import Run, guard


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one mart: all of them, and how they differ from what is served."""

    total: int
    inserted: int
    changed: int
    removed: int

    @property
    def changed_rows(self) -> int:
        return self.inserted + self.changed + self.removed

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    publication_id: int
    changes: dict[str, Change]


def load(connection: Connection, run: Run, engine: str, marts: Iterable[tuple[Mart, pa.Table]]) -> Candidate:
    """Load tonight's marts as a candidate, in one transaction under the fence.

    Raises Fenced, and MartError when a mart's rows are not unique by its key.
    """
    with connection.cursor() as cursor:
        guard(cursor, run)
        _remove_leftovers(cursor)
        cursor.execute(
            "insert into ops.publication (run_id, as_of, engine) values (%s, %s, %s) returning publication_id",
            (run.run_id, run.as_of, engine),
        )
        (publication_id,) = cursor.fetchone() or (0,)
        changes = {mart.name: _load_mart(cursor, publication_id, mart, rows) for mart, rows in marts}
        cursor.execute(
            "update ops.publication set changes = %s where publication_id = %s",
            (json.dumps({name: change.as_dict() for name, change in changes.items()}), publication_id),
        )
        cursor.execute("update ops.publication_pointer set candidate_id = %s", (publication_id,))
    connection.commit()
    return Candidate(publication_id, changes)


def _remove_leftovers(cursor: Any) -> None:
    """Take out the rows of candidates never published and of publications rolled back."""
    cursor.execute(
        "select p.publication_id from ops.publication p, ops.publication_pointer at"
        " where p.publication_id > at.publication_id and p.status in ('candidate', 'rolled_back')"
    )
    leftovers = [publication_id for (publication_id,) in cursor]
    if not leftovers:
        return
    cursor.execute("select mart from ops.published_mart order by mart")
    for (mart,) in cursor.fetchall():
        table = sql.Identifier("store", mart)
        cursor.execute(sql.SQL("delete from {} where valid_from = any(%s)").format(table), (leftovers,))
        cursor.execute(sql.SQL("update {} set valid_to = null where valid_to = any(%s)").format(table), (leftovers,))
    cursor.execute("update ops.publication set status = 'abandoned' where publication_id = any(%s)", (leftovers,))


def _load_mart(cursor: Any, publication_id: int, mart: Mart, rows: pa.Table) -> Change:
    served = _served_hashes(cursor, mart)
    with duckdb.connect() as engine:
        engine.register("rows", rows)
        engine.register("served", served)
        tonight = _hashed(engine, mart)
        engine.register("tonight", tonight)
        _refuse_duplicates(engine, mart)
        sent = engine.sql(
            "select t.*, s.row_key is null as is_new from tonight t left join served s using (row_key)"
            " where s.row_key is null or s.row_hash <> t.row_hash"
        ).to_arrow_table()
        gone = engine.sql("select row_key from served anti join tonight using (row_key)").to_arrow_table()
    new = sum(sent.column("is_new").to_pylist())
    closed = pa.concat_tables([gone, sent.filter(pc.invert(sent.column("is_new"))).select(["row_key"])])
    _close(cursor, publication_id, mart, closed)
    _copy(cursor, publication_id, mart, sent.drop_columns(["is_new"]))
    return Change(rows.num_rows, new, sent.num_rows - new, gone.num_rows)


def _served_hashes(cursor: Any, mart: Mart) -> pa.Table:
    """(row_key, row_hash) of the rows that are served now."""
    query = sql.SQL("select row_key, row_hash from {} where valid_to is null").format(store.table_name(mart))
    return copy_out(cursor, query, pa.schema([("row_key", pa.int64()), ("row_hash", pa.int64())]))


def _hashed(engine: Any, mart: Mart) -> pa.Table:
    """Tonight's rows in contract order with `row_key` and `row_hash`."""
    names = [column.name for column in mart.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    found = engine.sql(
        f"select {listed}, {_hash(mart.key)} as row_key, {_hash(names)} as row_hash from rows"
    ).to_arrow_table()
    for name in ("row_key", "row_hash"):
        found = found.set_column(found.schema.get_field_index(name), name, signed(found.column(name)))
    return found


def _hash(names: Sequence[str]) -> str:
    parts = ", ".join(f'coalesce("{name}"::varchar, chr(30))' for name in names)
    return f"md5_number_lower(concat_ws(chr(31), {parts}))::ubigint"


def _refuse_duplicates(engine: Any, mart: Mart) -> None:
    twice = (
        engine.sql("select count(*) from (select row_key from tonight group by row_key having count(*) > 1) d")
        .to_arrow_table()[0][0]
        .as_py()
    )
    if twice:
        raise MartError(f"{mart.name}: {twice} keys ({', '.join(mart.key)}) stand more than once")


def _close(cursor: Any, publication_id: int, mart: Mart, keys: pa.Table) -> None:
    """End the validity of rows that are gone or replaced."""
    if not keys.num_rows:
        return
    cursor.execute("create temp table c360_closed (row_key bigint primary key) on commit drop")
    copy_in(cursor, sql.Identifier("c360_closed"), keys)
    cursor.execute(
        sql.SQL(
            "update {} r set valid_to = %s from c360_closed c where r.row_key = c.row_key and r.valid_to is null"
        ).format(store.table_name(mart)),
        (publication_id,),
    )
    cursor.execute("drop table c360_closed")


def _copy(cursor: Any, publication_id: int, mart: Mart, rows: pa.Table) -> None:
    valid_from = pa.repeat(pa.scalar(publication_id, pa.int64()), rows.num_rows)
    copy_in(cursor, store.table_name(mart), rows.append_column("valid_from", valid_from))
