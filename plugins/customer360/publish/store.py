"""Tables and views of publication: `store.<mart>`, `serving.<mart>`, `candidate.<mart>`.

DDL runs only when a mart's definition changed, so that a long reader never meets it in an ordinary
night.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.publish.marts import Column, Mart, MartError

READER = "c360_reader"
_VIEWS = {"serving": "publication_id", "candidate": "candidate_id"}


def ensure(connection: Connection, marts: Sequence[Mart]) -> None:
    """Create or extend what publication needs for `marts`; commits.

    A new column is added (null for rows published before); a column that is gone stays in the store.
    Raises MartError for a column whose type changed.
    """
    with connection.cursor() as cursor:
        cursor.execute("select mart, definition from ops.published_mart")
        known = dict(cursor.fetchall())
        stale = [mart for mart in marts if known.get(mart.name) != _definition(mart)]
        if stale:
            cursor.execute("select pg_advisory_xact_lock(hashtext('c360 publication ddl'))")
            _reader_role(cursor)
            for mart in stale:
                _table(cursor, mart)
                for schema, pointer in _VIEWS.items():
                    _view(cursor, mart, schema, pointer)
                cursor.execute(
                    "insert into ops.published_mart values (%s, %s)"
                    " on conflict (mart) do update set definition = excluded.definition",
                    (mart.name, _definition(mart)),
                )
    connection.commit()


def table_name(mart: Mart) -> sql.Identifier:
    return sql.Identifier("store", mart.name)


def _definition(mart: Mart) -> str:
    return hashlib.sha256(json.dumps(asdict(mart), sort_keys=True).encode()).hexdigest()


def _table(cursor: Any, mart: Mart) -> None:
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (f'store."{mart.name}"',),
    )
    present = dict(cursor.fetchall())
    if not present:
        _create(cursor, mart)
        return
    for column in mart.columns:
        if column.name not in present:
            cursor.execute(
                sql.SQL("alter table {} add column {} {}").format(
                    table_name(mart), sql.Identifier(column.name), sql.SQL(column.data_type)
                )
            )
        elif _canonical(cursor, column) != present[column.name]:
            raise MartError(
                f"{mart.name}.{column.name} is {present[column.name]} in the store but {column.data_type} now;"
                " give the column a new name, or drop the store's table to forget its history"
            )


def _canonical(cursor: Any, column: Column) -> str:
    """PostgreSQL's own spelling of the column's type."""
    cursor.execute(sql.SQL("create temp table c360_type (x {}) on commit drop").format(sql.SQL(column.data_type)))
    cursor.execute(
        "select format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'c360_type'::regclass and attnum = 1"
    )
    (name,) = cursor.fetchone()
    cursor.execute("drop table c360_type")
    return str(name)


def _create(cursor: Any, mart: Mart) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(each.data_type)) for each in mart.columns
    )
    key = sql.SQL(", ").join(map(sql.Identifier, mart.key))
    name = table_name(mart)
    cursor.execute(
        sql.SQL(
            "create table {} ({}, row_key bigint not null, row_hash bigint not null, valid_from bigint not null,"
            " valid_to bigint, primary key (row_key, valid_from))"
        ).format(name, columns)
    )
    cursor.execute(sql.SQL("create unique index on {} ({}) where valid_to is null").format(name, key))
    cursor.execute(sql.SQL("create index on {} (valid_to) where valid_to is not null").format(name))
    cursor.execute(sql.SQL("create index on {} (valid_from)").format(name))


def _view(cursor: Any, mart: Mart, schema: str, pointer: str) -> None:
    view = sql.Identifier(schema, mart.name)
    cursor.execute(sql.SQL("drop view if exists {}").format(view))
    cursor.execute(
        sql.SQL(
            "create view {view} as select {columns} from {table} r"
            " where r.valid_from <= (select {pointer} from ops.publication_pointer)"
            " and (r.valid_to is null or r.valid_to > (select {pointer} from ops.publication_pointer))"
        ).format(
            view=view,
            columns=sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(each.name)) for each in mart.columns),
            table=table_name(mart),
            pointer=sql.Identifier(pointer),
        )
    )
    cursor.execute(sql.SQL("comment on view {} is %s").format(view), (mart.description,))
    for column in mart.columns:
        cursor.execute(
            sql.SQL("comment on column {}.{} is %s").format(view, sql.Identifier(column.name)), (column.description,)
        )
    if schema == "serving" and _role_exists(cursor):
        cursor.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(READER)))


def _reader_role(cursor: Any) -> None:
    """A role that may read what is served and nothing else, where we may create one."""
    cursor.execute("select rolcreaterole or rolsuper from pg_roles where rolname = current_user")
    if cursor.fetchone()[0] and not _role_exists(cursor):
        cursor.execute(sql.SQL("create role {} nologin").format(sql.Identifier(READER)))
    if _role_exists(cursor):
        cursor.execute(sql.SQL("grant usage on schema serving to {}").format(sql.Identifier(READER)))


def _role_exists(cursor: Any) -> bool:
    cursor.execute("select exists (select 1 from pg_roles where rolname = %s)", (READER,))
    return bool(cursor.fetchone()[0])
