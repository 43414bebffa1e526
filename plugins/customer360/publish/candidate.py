"""The candidate: the rows in which tonight's marts differ from what is served, loaded out of sight."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360 import binary
from customer360.publish import diff, restatements, store
from customer360.publish.marts import Mart
from customer360.publish.runs import Run, committing

_ANALYZE_SHARE = 0.1  # of the rows: when so many moved, the planner's figures are stale


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one mart: all of them, how they differ from what is served, and the bytes that travelled."""

    total: int
    inserted: int
    changed: int
    removed: int
    bytes: int = 0
    sent: int = 0  # rows that travelled, by the server's count; of those that only end, their keys

    @property
    def changed_rows(self) -> int:
        return self.inserted + self.changed + self.removed

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    publication_id: int
    changes: dict[str, Change]


def load(
    connection: Connection,
    run: Run,
    engine: str,
    marts: Iterable[tuple[Mart, pa.Table]],
    gone: Mapping[str, pa.Table] | None = None,
    appended: Iterable[Mart] = (),
) -> Candidate:
    """Load tonight's marts as a candidate, in one transaction under the fence.

    `gone` {mart: keys}: of these marts the rows given are only those that may differ from what is served, and
    the keys those of rows that went. `marts` are all that are published: one published before and not among
    them is withdrawn, its rows end with this publication. `appended` are those whose rows are made here, of what the
    others' rows changed. Raises Fenced, and MartError when a mart's rows do not
    fit it.
    """
    with committing(connection, run) as cursor:
        _remove_leftovers(cursor)
        cursor.execute(
            "insert into ops.publication (run_id, as_of, engine) values (%s, %s, %s) returning publication_id",
            (run.run_id, run.as_of, engine),
        )
        (publication_id,) = cursor.fetchone() or (0,)
        ended = gone or {}
        changes = {
            mart.name: _load_mart(cursor, publication_id, mart, rows, ended.get(mart.name)) for mart, rows in marts
        }
        explained = {mart.name: mart for mart in appended}
        changes |= _withdraw(cursor, publication_id, {*changes, *explained})
        changes |= _explain(cursor, publication_id, explained) if explained else {}
        cursor.execute(
            "update ops.publication set changes = %s where publication_id = %s",
            (json.dumps({name: change.as_dict() for name, change in changes.items()}), publication_id),
        )
        cursor.execute("update ops.publication_pointer set candidate_id = %s", (publication_id,))
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
    for mart in store.published(cursor):
        table = sql.Identifier("store", mart)
        cursor.execute(sql.SQL("delete from {} where valid_from = any(%s)").format(table), (leftovers,))
        cursor.execute(sql.SQL("update {} set valid_to = null where valid_to = any(%s)").format(table), (leftovers,))
    cursor.execute("update ops.publication set status = 'abandoned' where publication_id = any(%s)", (leftovers,))


def _load_mart(cursor: Any, publication_id: int, mart: Mart, rows: pa.Table, gone: pa.Table | None) -> Change:
    table = store.table_name(mart)
    conformed = diff.conform(mart, rows)
    if gone is None:
        query = sql.SQL("select row_key, row_hash from {} where valid_to is null").format(table)
        served, total = binary.copy_out_integers(cursor, query, diff.HASHES), 0
    else:
        served, total = _served_of(cursor, table, diff.keys(mart, conformed, gone)), _served_total(cursor, mart)
    found = diff.compare(mart, conformed, served)
    total = rows.num_rows if gone is None else total + found.inserted - found.removed
    closed = _close(cursor, publication_id, table, found.closed)
    valid_from = pa.repeat(pa.scalar(publication_id, pa.int64()), found.sent.num_rows)
    loaded = binary.copy_in(cursor, table, found.sent.append_column("valid_from", valid_from))
    sent = loaded.rows + closed.rows - found.changed  # the key of a row that is replaced is part of that row
    change = Change(total, found.inserted, found.changed, found.removed, loaded.bytes + closed.bytes, sent)
    store.ensure_indexes(cursor, mart)
    if change.changed_rows > _ANALYZE_SHARE * total:
        cursor.execute(sql.SQL("analyze {}").format(table))
    return change


def _served_of(cursor: Any, table: sql.Identifier, keys: pa.Array) -> pa.Table:
    """HASHES of the served rows with one of `keys`."""
    wanted = sql.Identifier("c360_wanted")
    cursor.execute(sql.SQL("create temp table {} (row_key bigint) on commit drop").format(wanted))
    binary.copy_in(cursor, wanted, pa.table({"row_key": keys}))
    cursor.execute(sql.SQL("analyze {}").format(wanted))
    query = sql.SQL("select r.row_key, r.row_hash from {} r join {} w using (row_key) where r.valid_to is null")
    served = binary.copy_out_integers(cursor, query.format(table, wanted), diff.HASHES)
    cursor.execute(sql.SQL("drop table {}").format(wanted))
    return served


def _served_total(cursor: Any, mart: Mart) -> int:
    """Rows of the mart in what is served."""
    cursor.execute(
        "select coalesce((p.changes -> %s ->> 'total')::bigint, 0)"
        " from ops.publication p join ops.publication_pointer at using (publication_id)",
        (mart.name,),
    )
    (total,) = cursor.fetchone() or (0,)
    return int(total)


def _close(cursor: Any, publication_id: int, table: sql.Identifier, keys: pa.Array) -> binary.Sent:
    """End the validity of rows that are gone or replaced."""
    if not len(keys):
        return binary.Sent()
    closed = sql.Identifier("c360_closed")
    cursor.execute(sql.SQL("create temp table {} (row_key bigint) on commit drop").format(closed))
    sent = binary.copy_in(cursor, closed, pa.table({"row_key": keys}))
    cursor.execute(sql.SQL("analyze {}").format(closed))
    cursor.execute(
        sql.SQL("update {} r set valid_to = %s from {} c where r.row_key = c.row_key and r.valid_to is null").format(
            table, closed
        ),
        (publication_id,),
    )
    cursor.execute(sql.SQL("drop table {}").format(closed))
    return sent


def _explain(cursor: Any, publication_id: int, appended: Mapping[str, Mart]) -> dict[str, Change]:
    """Append the rows that say why this publication's figures are not those that are served."""
    changes = {}
    for name, rows in restatements.append(cursor, publication_id).items():
        mart = appended[name]
        store.ensure_indexes(cursor, mart)
        cursor.execute(sql.SQL("select count(*) from {}").format(store.table_name(mart)))
        changes[name] = Change(total=cursor.fetchone()[0], inserted=rows, changed=0, removed=0)
    return changes


def _withdraw(cursor: Any, publication_id: int, loaded: set[str]) -> dict[str, Change]:
    """End the rows of marts that are no longer published, so that no reader takes old rows for current ones."""
    changes = {}
    for mart in sorted(set(store.published(cursor)) - loaded):
        cursor.execute(
            sql.SQL("update {} set valid_to = %s where valid_to is null").format(sql.Identifier("store", mart)),
            (publication_id,),
        )
        if cursor.rowcount:
            changes[mart] = Change(total=0, inserted=0, changed=0, removed=cursor.rowcount)
    return changes
