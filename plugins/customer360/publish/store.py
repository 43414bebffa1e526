"""Tables and views of publication: `store.<mart>`, `serving.<mart>`, `candidate.<mart>`; of marts with history also
`serving.<mart>_history` and the function `serving.<mart>_at`.

DDL runs only when a mart's definition changed, so that a long reader never meets it in an ordinary
night.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.binary import arrow_type
from customer360.publish.marts import Column, Mart, MartError

READER = "c360_reader"
_VIEWS = {"serving": "publication_id", "candidate": "candidate_id"}
_LAYOUT = 2  # of the store's tables; raised when `_create` or `ensure_indexes` changes
_TRIES = 20  # each waits for the lock as long as the session's lock_timeout, 2 s


def ensure(connection: Connection, marts: Sequence[Mart]) -> None:
    """Create or extend what publication needs for `marts`; commits.

    A new column is added (null for rows published before); a column that is gone stays in the store.
    Waits for long readers, in short tries that hold nobody up. Raises MartError for a column whose type
    changed, for a view that others stand on, and when readers do not let go within a minute.
    """
    for _ in range(_TRIES):
        try:
            _ensure(connection, marts)
        except psycopg2.errors.LockNotAvailable:
            connection.rollback()
            time.sleep(0.5)
        else:
            return
    raise MartError("a mart's definition changed, but readers hold its view; try again when they are done")


def _ensure(connection: Connection, marts: Sequence[Mart]) -> None:
    with connection.cursor() as cursor:
        stale = _stale(cursor, marts)
        if stale:
            cursor.execute("select pg_advisory_xact_lock(hashtext('c360 publication ddl'))")
            reading_role(cursor, READER, "serving")
            for mart in stale:
                _table(cursor, mart)
                for schema, pointer in _VIEWS.items():
                    _view(cursor, mart, schema, pointer)
                if mart.history:
                    _history(cursor, mart)
                cursor.execute(
                    "insert into ops.published_mart values (%s, %s)"
                    " on conflict (mart) do update set definition = excluded.definition",
                    (mart.name, _definition(mart)),
                )
    connection.commit()


def table_name(mart: Mart) -> sql.Identifier:
    return sql.Identifier("store", mart.name)


def published(cursor: Any) -> list[str]:
    """Names of all marts that are or ever were published."""
    cursor.execute("select mart from ops.published_mart order by mart")
    return [name for (name,) in cursor]


def ensure_indexes(cursor: Any, mart: Mart) -> None:
    """Indexes that are missing: built after the first load, which is twice as fast as before it."""
    cursor.execute(
        "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = to_regclass(%s)",
        (f'store."{mart.name}"',),
    )
    present = {name for (name,) in cursor}
    for name, (unique, target) in _indexes(mart).items():
        if name not in present:
            cursor.execute(
                sql.SQL("create {} {} on {} {}").format(
                    sql.SQL("unique index" if unique else "index"), sql.Identifier(name), table_name(mart), target
                )
            )


def _indexes(mart: Mart) -> dict[str, tuple[bool, sql.Composable]]:
    """{name: (unique, what)}. One served row a key; look-ups by key; the two ways rows are removed.

    Names stay within 63 bytes; that of the look-up carries a mark of the key, so that another key gets its own.
    """
    prefix = f"{mart.name[:36]}_{_mark(mart.name)}"
    key = sql.SQL(", ").join(map(sql.Identifier, mart.key))
    return {
        f"{prefix}_served": (True, sql.SQL("(row_key) where valid_to is null")),
        f"{prefix}_key_{_mark(*mart.key)}": (False, sql.SQL("({})").format(key)),
        f"{prefix}_ended": (False, sql.SQL("(valid_to) where valid_to is not null")),
        f"{prefix}_begun": (False, sql.SQL("using brin (valid_from)")),
    }


def _mark(*names: str) -> str:
    return hashlib.sha256(".".join(names).encode()).hexdigest()[:8]


def _definition(mart: Mart) -> str:
    return hashlib.sha256(json.dumps([_LAYOUT, asdict(mart)], sort_keys=True).encode()).hexdigest()


def _stale(cursor: Any, marts: Sequence[Mart]) -> list[Mart]:
    """Marts whose definition is not the stored one, or whose views somebody dropped."""
    cursor.execute(
        "select mart, definition from ops.published_mart"
        " where to_regclass(format('serving.%I', mart)) is not null"
        " and to_regclass(format('candidate.%I', mart)) is not null"
    )
    known = dict(cursor.fetchall())
    return [mart for mart in marts if known.get(mart.name) != _definition(mart)]


def columns_in(cursor: Any, schema: str, name: str) -> dict[str, str]:
    """Columns of a table or view with PostgreSQL's spelling of their types; none if it is not there."""
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        (f'{schema}."{name}"',),
    )
    return dict(cursor.fetchall())


def _table(cursor: Any, mart: Mart) -> None:
    for column in mart.columns:
        try:
            arrow_type(column.data_type)
        except ValueError as error:
            raise MartError(f"{mart.name}.{column.name}: {error}") from None
    present = columns_in(cursor, "store", mart.name)
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
    cursor.execute(
        sql.SQL(
            "create table {} ({}, row_key bigint not null, row_hash bigint not null, valid_from bigint not null,"
            " valid_to bigint)"
        ).format(table_name(mart), columns)
    )


# Views --------------------------------------------------------------------------------------------


def _view(cursor: Any, mart: Mart, schema: str, pointer: str) -> None:
    """Columns a view has stay where they are and new ones come last, so that grants and the views of others
    which stand on it stay too. Only a column that is gone makes it anew."""
    view = sql.Identifier(schema, mart.name)
    present = list(columns_in(cursor, schema, mart.name))
    wanted = [column.name for column in mart.columns]
    if not set(present) <= set(wanted):
        grants = readers(cursor, schema, mart.name)
        _drop(cursor, mart, view)
        present = []
    else:
        grants = []
    names = [*present, *(name for name in wanted if name not in present)]
    at = sql.SQL("(select {} from ops.publication_pointer)").format(sql.Identifier(pointer))
    cursor.execute(sql.SQL("create or replace view {} as {}").format(view, rows_at(mart, names, at)))
    describe(cursor, view, mart.description, mart.columns)
    for role in grants:
        cursor.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(role)))
    if schema == "serving" and _role_exists(cursor, READER):
        cursor.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(READER)))


def _history(cursor: Any, mart: Mart) -> None:
    """`serving.<mart>_history`: every row of the publications that are kept, and which of them showed it;
    `serving.<mart>_at(night)`: the rows as published for a night. What was rolled back counts for nothing."""
    names = {
        "view": sql.Identifier("serving", f"{mart.name}_history"),
        "at": sql.Identifier("serving", f"{mart.name}_at"),
        "columns": sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(each.name)) for each in mart.columns),
        "typed": sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(each.data_type)) for each in mart.columns
        ),
        "table": table_name(mart),
    }
    cursor.execute(_NIGHTS)
    for statement in _HISTORY:
        cursor.execute(sql.SQL(statement).format(**names))
    cursor.execute(
        sql.SQL("comment on view {view} is %s").format(**names),
        (f"{mart.description} Every row published and kept, with the publications and nights that showed it.",),
    )
    if _role_exists(cursor, READER):
        nights = sql.Identifier("serving", "publication_night")
        for view in (names["view"], nights):
            cursor.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(READER)))


_NIGHTS = """
    create or replace view serving.publication_night as
    select p.publication_id, p.as_of as night, p.published_at, p.status <> 'pruned' as is_kept
    from ops.publication p
    where p.publication_id <= (select publication_id from ops.publication_pointer)
        and p.status in ('published', 'superseded', 'pruned')
"""
_HISTORY = (
    "drop function if exists {at}(timestamptz)",
    "drop view if exists {view}",
    """
    create view {view} as
    select {columns}, r.valid_from as publication_from, f.as_of as night_from, u.publication_id as publication_until,
        u.as_of as night_until
    from {table} r
    join ops.publication f on f.publication_id = r.valid_from
    left join ops.publication u on u.publication_id = r.valid_to
        and u.publication_id <= (select publication_id from ops.publication_pointer)
    where r.valid_from <= (select publication_id from ops.publication_pointer)
    """,
    # Of two publications for one night the newer one counts.
    """
    create function {at}(asked timestamptz) returns table ({typed}) language plpgsql stable as $$
    #variable_conflict use_column
    declare found bigint; kept boolean;
    begin
        select n.publication_id, n.is_kept into found, kept from serving.publication_night n
        where n.night <= asked order by n.night desc, n.publication_id desc limit 1;
        if found is null then raise exception 'nothing was published for that night or before'; end if;
        if not kept then raise exception 'the publication of that night is pruned'; end if;
        return query select {columns} from {view} r
        where r.publication_from <= found and (r.publication_until is null or r.publication_until > found);
    end $$
    """,
)


def rows_at(mart: Mart, names: Sequence[str], publication: sql.Composable) -> sql.Composable:
    """Query for the columns `names` of the rows that are valid at a publication: an id, or what gives one."""
    return sql.SQL(
        "select {columns} from {table} r where r.valid_from <= {at} and (r.valid_to is null or r.valid_to > {at})"
    ).format(
        columns=sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in names),
        table=table_name(mart),
        at=publication,
    )


def describe(cursor: Any, view: sql.Identifier, text: str, columns: Sequence[Column]) -> None:
    """Put the words of the contract into the database, where every tool shows them."""
    cursor.execute(sql.SQL("comment on view {} is %s").format(view), (text,))
    for column in columns:
        cursor.execute(
            sql.SQL("comment on column {}.{} is %s").format(view, sql.Identifier(column.name)), (column.description,)
        )


def _drop(cursor: Any, mart: Mart, view: sql.Identifier) -> None:
    try:
        cursor.execute(sql.SQL("drop view {}").format(view))
    except psycopg2.errors.DependentObjectsStillExist as error:
        raise MartError(
            f"{mart.name} lost a column, but other objects stand on its view and must go first: "
            f"{error.diag.message_detail}"
        ) from None


def readers(cursor: Any, schema: str, name: str) -> list[str]:
    """Roles that may read the view, but for its owner."""
    cursor.execute(
        "select distinct r.rolname from pg_class c, aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee"
        " where c.oid = to_regclass(%s) and a.privilege_type = 'SELECT' and a.grantee <> c.relowner order by 1",
        (f'{schema}."{name}"',),
    )
    return [role for (role,) in cursor]


def reading_role(cursor: Any, role: str, schema: str) -> bool:
    """Let `role`, made without a log-in where we may make one, look into `schema`; False if there is none."""
    cursor.execute("select rolcreaterole or rolsuper from pg_roles where rolname = current_user")
    if cursor.fetchone()[0] and not _role_exists(cursor, role):
        cursor.execute(  # roles are the server's, and another database's night may be making this one now
            sql.SQL(
                "do $$ begin create role {} nologin; exception when duplicate_object or unique_violation then null;"
                " end $$"
            ).format(sql.Identifier(role))
        )
    if not _role_exists(cursor, role):
        return False
    cursor.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), sql.Identifier(role)))
    return True


def _role_exists(cursor: Any, role: str) -> bool:
    cursor.execute("select exists (select 1 from pg_roles where rolname = %s)", (role,))
    return bool(cursor.fetchone()[0])
