"""The views of schema `marketing`, and the role that may read them and nothing else.

They stand on the store's tables, not on the views of `serving`, so that neither stands in the way when the other
changes. `apply` runs in the transaction that moves the publication pointer: a table's new shape and its new rows
are seen together.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.binary import type_name
from customer360.marketing.contract import Table
from customer360.publish import publication, store
from customer360.publish.marts import Column, Mart, MartError
from customer360.publish.runs import Run

SCHEMA = "marketing"
ROLE = "c360_marketing"
_TRIES = 20  # each waits for the lock as long as the session's lock_timeout, 2 s
SERVED = sql.SQL("(select publication_id from ops.publication_pointer)")
_TESTS = (
    "coalesce((p.tests -> 'dbt' ->> '{0}')::bigint, 0) + coalesce((p.tests -> 'expectations' ->> '{0}')::bigint, 0)"
    " as tests_{0}"
)
_SAYS = (
    Column("publication_id", "bigint", "Number of the publication; a later one has a higher number"),
    Column("as_of", "timestamp with time zone", "The night: nothing that happened later is in the tables"),
    Column("published_at", "timestamp with time zone", "When it was published"),
    Column("gate", "text", "pass, or warn when a person approved it in spite of warnings"),
    Column("tests_passed", "bigint", "Tests of the data that held before it was published"),
    Column("tests_warned", "bigint", "Tests of the data that did not hold and only warn"),
)
_SELECT = (
    f"select p.publication_id, p.as_of, p.published_at, p.gate, {_TESTS.format('passed')}, {_TESTS.format('warned')}"
)
PUBLICATIONS = (
    Table(
        "publication",
        1,
        True,
        "One row: the publication that all tables of this schema show.",
        ("publication_id",),
        _SAYS,
        f"{_SELECT} from ops.publication p join ops.publication_pointer at using (publication_id)",
    ),
    Table(
        "publications",
        1,
        True,
        "One row per publication that is or was served, and how many rows it changed.",
        ("publication_id",),
        (*_SAYS, Column("changed_rows", "bigint", "Rows of all published tables that came, changed or went")),
        f"{_SELECT}, (select coalesce(sum((c.value ->> 'inserted')::bigint + (c.value ->> 'changed')::bigint"
        " + (c.value ->> 'removed')::bigint), 0) from jsonb_each(p.changes) c)::bigint as changed_rows"
        " from ops.publication p where p.status in ('published', 'superseded', 'pruned')",
    ),
)


def apply(cursor: Any, tables: Sequence[Table], marts: Iterable[Mart]) -> None:
    """Make the schema what `tables` say; no lock is taken where it is that already. The caller commits.

    Grants that others gave stay. Raises MartError for a query that does not give its contract's columns and
    types, and for a view that has to be made anew while objects of others stand on it; psycopg2's
    LockNotAvailable while a reader holds a view that has to change.
    """
    wanted = [*tables, *PUBLICATIONS]
    if _applied(cursor) == {(table.name, table.version): _definition(table) for table in wanted} and not drift(cursor):
        return
    cursor.execute("select pg_advisory_xact_lock(hashtext('c360 publication ddl'))")
    has_role = store.reading_role(cursor, ROLE, SCHEMA)
    _withdraw(cursor, wanted)
    known = {mart.name: mart for mart in marts}
    for table in wanted:
        query = query_at(table, known, SERVED)
        for view in table.views:
            _view(cursor, table, view, query)
            if has_role:
                cursor.execute(
                    sql.SQL("grant select on {} to {}").format(sql.Identifier(SCHEMA, view), sql.Identifier(ROLE))
                )
        _record(cursor, table)


def publish(
    connection: Connection,
    run: Run,
    publication_id: int,
    tables: Sequence[Table],
    marts: Sequence[Mart],
    approved: bool = False,
) -> None:
    """Publish a candidate together with the schema's tables.

    Waits for readers of a view that has to change, in short tries that hold nobody up. Raises what
    `publication.publish` and `apply` raise, and MartError when readers do not let go within a minute.
    """
    for _ in range(_TRIES):
        try:
            publication.publish(
                connection, run, publication_id, approved, also=lambda cursor: apply(cursor, tables, marts)
            )
        except psycopg2.errors.LockNotAvailable:
            time.sleep(0.5)
        else:
            return
    raise MartError("a table of marketing changes its shape, but readers hold its view; try again when they are done")


def query_at(table: Table, marts: dict[str, Mart], publication: sql.Composable) -> sql.Composable:
    """The table's query over the rows of one publication. Raises MartError if a mart is not published."""
    missing = [name for name in table.marts if name not in marts]
    if missing:
        raise MartError(f"{table.name}: {', '.join(missing)} is not published")
    parts: list[sql.Composable] = []
    relations = {name: f"\0{name}\0" for name in table.marts}
    for number, piece in enumerate(table.rendered(relations).split("\0")):
        if number % 2 == 0:
            parts.append(sql.SQL(piece.replace("{", "{{").replace("}", "}}")).format())
        else:
            rows = store.rows_at(marts[piece], [column.name for column in marts[piece].columns], publication)
            parts.append(sql.SQL("({})").format(rows))
    return sql.Composed(parts)


def drift(cursor: Any) -> list[str]:
    """How the database differs from the contracts it was given: one line each, none if it does not."""
    cursor.execute("select contract from ops.marketing_table order by name, version")
    return [
        line
        for (contract,) in cursor.fetchall()
        for table in [Table.from_json(contract)]
        for view in table.views
        for line in _differences(cursor, table, view)
    ]


def recorded(cursor: Any) -> list[Table]:
    """The tables as they were last applied, the newest version of each."""
    cursor.execute("select contract from ops.marketing_table where is_latest order by name")
    return [Table.from_json(contract) for (contract,) in cursor.fetchall()]


def _differences(cursor: Any, table: Table, view: str) -> list[str]:
    columns = _columns(cursor, view)
    if list(columns) != [column.name for column in table.columns]:
        return [f"{view}: its columns are {', '.join(columns) or 'gone'}"]
    found = []
    comments = _comments(cursor, view)
    for column in table.columns:
        wanted = type_name(column.data_type)
        if columns[column.name] != wanted:
            found.append(f"{view}.{column.name}: is {columns[column.name]}, the contract says {wanted}")
        if comments.get(column.name) != column.description:
            found.append(f"{view}.{column.name}: its comment is not the contract's")
    if comments.get("") != table.description:
        found.append(f"{view}: its comment is not the contract's")
    cursor.execute("select exists (select 1 from pg_roles where rolname = %s)", (ROLE,))
    if cursor.fetchone() == (True,) and ROLE not in store.readers(cursor, SCHEMA, view):
        found.append(f"{view}: {ROLE} may not read it")
    return found


def _columns(cursor: Any, view: str) -> dict[str, str]:
    """The view's columns and types; the two names of texts without a length are one."""
    found = store.columns_in(cursor, SCHEMA, view)
    return {name: "text" if kind == "character varying" else kind for name, kind in found.items()}


def _comments(cursor: Any, view: str) -> dict[str, str]:
    """Comments by column; the view's own under ''."""
    cursor.execute(
        "select coalesce(a.attname, ''), d.description from pg_description d"
        " left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0"
        " where d.objoid = to_regclass(%s) and d.classoid = 'pg_class'::regclass",
        (f'{SCHEMA}."{view}"',),
    )
    return dict(cursor.fetchall())


def _applied(cursor: Any) -> dict[tuple[str, int], str]:
    cursor.execute("select name, version, definition from ops.marketing_table")
    return {(name, version): definition for name, version, definition in cursor.fetchall()}


def _definition(table: Table) -> str:
    return hashlib.sha256(table.as_json().encode()).hexdigest()


def _record(cursor: Any, table: Table) -> None:
    cursor.execute(
        "insert into ops.marketing_table (name, version, is_latest, contract, definition) values (%s, %s, %s, %s, %s)"
        " on conflict (name, version) do update set is_latest = excluded.is_latest, contract = excluded.contract,"
        " definition = excluded.definition, applied_at = clock_timestamp()",
        (table.name, table.version, table.is_latest, table.as_json(), _definition(table)),
    )


def _withdraw(cursor: Any, wanted: Sequence[Table]) -> None:
    """Take away the views of versions that the project has no more."""
    kept = {(table.name, table.version) for table in wanted}
    views = {view for table in wanted for view in table.views}
    cursor.execute("select contract from ops.marketing_table order by name, version")
    for (contract,) in cursor.fetchall():
        table = Table.from_json(contract)
        if (table.name, table.version) not in kept:
            for view in set(table.views) - views:
                _drop(cursor, view)
            cursor.execute(
                "delete from ops.marketing_table where name = %s and version = %s", (table.name, table.version)
            )


def _view(cursor: Any, table: Table, view: str, query: sql.Composable) -> None:
    target = sql.Identifier(SCHEMA, view)
    create = sql.SQL("create or replace view {} as {}").format(target, query)
    grants: list[str] = []
    cursor.execute("savepoint c360_view")
    try:
        cursor.execute(create)
    except psycopg2.errors.InvalidTableDefinition:  # columns that are there cannot change: made anew
        cursor.execute("rollback to savepoint c360_view")
        grants = store.readers(cursor, SCHEMA, view)
        _drop(cursor, view)
        cursor.execute(create)
    wanted = {column.name: type_name(column.data_type) for column in table.columns}
    made = _columns(cursor, view)
    if list(made.items()) != list(wanted.items()):
        wrong = [f"{name} {kind}" for name, kind in made.items() if wanted.get(name) != kind]
        raise MartError(
            f"{SCHEMA}.{view}: its query gives {', '.join(wrong) or 'other columns'}, its contract says otherwise"
        )
    store.describe(cursor, target, table.description, table.columns)
    for role in grants:
        cursor.execute(sql.SQL("grant select on {} to {}").format(target, sql.Identifier(role)))


def _drop(cursor: Any, view: str) -> None:
    try:
        cursor.execute(sql.SQL("drop view if exists {}").format(sql.Identifier(SCHEMA, view)))
    except psycopg2.errors.DependentObjectsStillExist as error:
        raise MartError(
            f"{SCHEMA}.{view} changes its columns, but other objects stand on it and must go first: "
            f"{error.diag.message_detail}"
        ) from None
