"""The registry of customer ids: which identifier belonged to which customer in which night.

Ids are given once and kept: the oldest survives a merge, the others become its aliases. Assignments
are dated by night, so that a past night can be resolved again as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
from psycopg2 import sql

from customer360.binary import copy_in
from customer360.contracts import TIMESTAMP
from customer360.copying import copy_out
from customer360.keys import MASK

DDL: list[str] = [
    """
    create table if not exists ops.customer (
        customer_id bigint primary key,
        created_as_of timestamptz not null,
        founding_anchor bigint not null,
        retired_as_of timestamptz
    )
    """,
    """
    create table if not exists ops.identity_assignment (
        anchor bigint not null,
        customer_id bigint not null,
        from_as_of timestamptz not null,
        to_as_of timestamptz,
        primary key (anchor, from_as_of)
    )
    """,
    "create index if not exists identity_assignment_open on ops.identity_assignment (anchor) where to_as_of is null",
    """
    create table if not exists ops.customer_alias (
        customer_id_old bigint primary key,
        customer_id bigint not null,
        merged_as_of timestamptz not null
    )
    """,
    """
    create table if not exists ops.identity_event (
        event_id bigint generated always as identity primary key,
        as_of timestamptz not null,
        kind text not null check (kind in ('created', 'merged', 'split', 'retired')),
        customer_id bigint not null,
        other_customer_id bigint,
        evidence bigint,
        reason text
    )
    """,
    "alter table ops.identity_event add column if not exists evidence bigint, add column if not exists reason text",
    "create index if not exists identity_event_customer on ops.identity_event (customer_id)",
]

ASSIGNMENTS = pa.schema([("anchor", pa.int64()), ("customer_id", pa.int64())])
CUSTOMERS = pa.schema([("customer_id", pa.int64()), ("created_as_of", TIMESTAMP), ("founding_anchor", pa.int64())])
ALIASES = pa.schema([("customer_id_old", pa.int64()), ("customer_id", pa.int64()), ("merged_as_of", TIMESTAMP)])
# What one night changes: see `write`.
CHANGES: dict[str, pa.Schema] = {
    "closed": pa.schema([("anchor", pa.int64())]),
    "opened": ASSIGNMENTS,
    "created": pa.schema([("customer_id", pa.int64()), ("founding_anchor", pa.int64())]),
    "aliases": pa.schema([("customer_id_old", pa.int64()), ("customer_id", pa.int64())]),
    "events": pa.schema(
        [
            ("kind", pa.string()),
            ("customer_id", pa.int64()),
            ("other_customer_id", pa.int64()),
            ("evidence", pa.int64()),
            ("reason", pa.string()),
        ]
    ),
}
_WRITTEN = {
    "closed": "select anchor from ops.identity_assignment where to_as_of = {at} order by 1",
    "opened": "select anchor, customer_id from ops.identity_assignment where from_as_of = {at} order by 1",
    "created": "select customer_id, founding_anchor from ops.customer where created_as_of = {at} order by 1",
    "aliases": "select customer_id_old, customer_id from ops.customer_alias where merged_as_of = {at} order by 1",
    "events": "select kind, customer_id, other_customer_id, evidence, reason from ops.identity_event"
    ' where as_of = {at} order by kind collate "C", customer_id, other_customer_id',
}


def before(cursor: Any, as_of: datetime, anchors: pa.Table | None = None) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Assignments, customers and aliases as they stood before the night of `as_of`.

    `anchors` (one column): only the assignments of these, their customers, and those whose id a new customer
    with one of these anchors would otherwise be given.
    """
    at = sql.Literal(as_of)
    some = ("true", "true")
    if anchors is not None:
        _temporary(cursor, anchors)
        some = (
            "anchor in (select anchor from c360_anchor)",
            "(customer_id in (select customer_id from ops.identity_assignment join c360_anchor using (anchor))"
            f" or customer_id in (select anchor & {MASK} from c360_anchor))",
        )
    assignments = sql.SQL(
        "select anchor, customer_id from ops.identity_assignment"
        f" where from_as_of < {{at}} and (to_as_of is null or to_as_of >= {{at}}) and {some[0]}"
    ).format(at=at)
    customers = sql.SQL(
        "select customer_id, created_as_of, founding_anchor from ops.customer"
        f" where created_as_of < {{at}} and {some[1]}"
    ).format(at=at)
    aliases = sql.SQL(
        "select customer_id_old, customer_id, merged_as_of from ops.customer_alias where merged_as_of < {at}"
    ).format(at=at)
    return (
        copy_out(cursor, assignments, ASSIGNMENTS),
        copy_out(cursor, customers, CUSTOMERS),
        copy_out(cursor, aliases, ALIASES),
    )


def _temporary(cursor: Any, anchors: pa.Table) -> None:
    cursor.execute("create temp table c360_anchor (anchor bigint primary key) on commit drop")
    copy_in(cursor, sql.Identifier("c360_anchor"), anchors.rename_columns(["anchor"]))
    cursor.execute("analyze c360_anchor")


def is_newest(cursor: Any, as_of: datetime) -> bool:
    """Whether no later night has been written: only then may this one be."""
    cursor.execute(
        "select coalesce(greatest(max(from_as_of), max(to_as_of)) <= %s, true) from ops.identity_assignment", (as_of,)
    )
    return bool(cursor.fetchone()[0])


def write(cursor: Any, as_of: datetime, changes: Mapping[str, pa.Table]) -> int:
    """Make the registry say what this night found; the number of rows written, 0 if it said so already.

    `changes`: `closed` (anchor), `opened` (anchor, customer_id), `created` (customer_id,
    founding_anchor), `aliases` (customer_id_old, customer_id), `events` (kind, customer_id,
    other_customer_id, evidence: an identifier or record key, reason), each in the order of its columns.
    What an earlier try at the night wrote otherwise is undone. The caller commits.
    """
    found = {name: changes[name].select(schema.names).cast(schema) for name, schema in CHANGES.items()}
    if all(rows.equals(_written(cursor, as_of, name)) for name, rows in found.items()):
        return 0
    for statement in _UNDO:
        cursor.execute(statement, {"at": as_of})
    _close(cursor, as_of, found["closed"])
    dated = {"opened": ("identity_assignment", "from_as_of"), "created": ("customer", "created_as_of")}
    dated |= {"aliases": ("customer_alias", "merged_as_of"), "events": ("identity_event", "as_of")}
    for name, (table, column) in dated.items():
        rows = found[name]
        stamp = pa.repeat(pa.scalar(as_of, TIMESTAMP), rows.num_rows)
        copy_in(cursor, sql.Identifier("ops", table), rows.append_column(column, stamp))
    cursor.execute(
        "update ops.customer c set retired_as_of = e.as_of from ops.identity_event e"
        " where e.as_of = %s and e.kind = 'retired' and e.customer_id = c.customer_id",
        (as_of,),
    )
    return sum(rows.num_rows for rows in found.values())


_UNDO = (
    "delete from ops.identity_assignment where from_as_of >= %(at)s",
    "update ops.identity_assignment set to_as_of = null where to_as_of >= %(at)s",
    "delete from ops.customer_alias where merged_as_of >= %(at)s",
    "delete from ops.identity_event where as_of >= %(at)s",
    "update ops.customer set retired_as_of = null where retired_as_of >= %(at)s",
    "delete from ops.customer where created_as_of >= %(at)s",
)


def _written(cursor: Any, as_of: datetime, name: str) -> pa.Table:
    """What an earlier try at the night wrote, as in `CHANGES`."""
    query = sql.SQL(_WRITTEN[name]).format(at=sql.Literal(as_of))
    return copy_out(cursor, query, CHANGES[name])


def _close(cursor: Any, as_of: datetime, anchors: pa.Table) -> None:
    if not anchors.num_rows:
        return
    cursor.execute("create temp table c360_closed_anchor (anchor bigint primary key) on commit drop")
    copy_in(cursor, sql.Identifier("c360_closed_anchor"), anchors)
    cursor.execute(
        "update ops.identity_assignment a set to_as_of = %s from c360_closed_anchor c"
        " where a.anchor = c.anchor and a.to_as_of is null",
        (as_of,),
    )
    cursor.execute("drop table c360_closed_anchor")
