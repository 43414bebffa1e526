"""Schema `ops`: the small state of record that cannot be rebuilt from the lake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360 import exports, ledger, marketing, publish
from customer360.identity import decisions, linkage_model, registry, review
from customer360.postgres import SCHEMAS

_VERSIONS = """
    create table if not exists ops.schema_version (
        version text not null,
        applied_at timestamptz not null default clock_timestamp()
    )
"""
_SEARCH_PATH = '"$user", public, serving'


def statements() -> list[str]:
    """Everything `migrate` runs, in order; each statement may run again."""
    schemas = [f"create schema if not exists {name}" for name in SCHEMAS]
    identity = (*registry.DDL, *linkage_model.DDL, *decisions.DDL, *review.DDL)
    return [*schemas, _VERSIONS, *ledger.DDL, *publish.DDL, *marketing.DDL, *exports.DDL, *identity]


def version() -> str:
    """Names what `statements` gives: a hash of it."""
    return hashlib.sha256("\n".join(statements()).encode()).hexdigest()[:16]


def migrate(connection: Connection) -> None:
    """Create or extend schemas and tables; commits. One process at a time.

    Takes no lock at all when the database is at this version already.
    """
    wanted = version()
    if _applied(connection) == wanted:
        return
    with _alone(connection), connection.cursor() as cursor:
        if _applied(connection) == wanted:  # somebody else did it while we waited
            return
        cursor.execute("set local lock_timeout = '30s'")
        for statement in statements():
            cursor.execute(statement)
        cursor.execute("insert into ops.schema_version (version) values (%s)", (wanted,))
        _show_serving(cursor)
        connection.commit()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold the migration lock over several transactions: only a new one is sure to see what others made."""
    with connection.cursor() as cursor:
        cursor.execute("set local lock_timeout = '60s'")
        cursor.execute("select pg_advisory_lock(hashtext('c360 migrate'))")
        connection.commit()
        try:
            yield
        finally:
            if not connection.closed:  # then the lock is gone already
                connection.rollback()
                cursor.execute("select pg_advisory_unlock(hashtext('c360 migrate'))")
                connection.commit()


def _applied(connection: Connection) -> str | None:
    """The version this database was brought to last."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('ops.schema_version') is not null")
        found = None
        if cursor.fetchone() == (True,):
            cursor.execute("select version from ops.schema_version order by applied_at desc limit 1")
            found = cursor.fetchone()
    connection.commit()
    return str(found[0]) if found else None


def _show_serving(cursor: Any) -> None:
    """Let `select … from customer_360` find the served view without its schema's name.

    Only where the database is ours and nobody has set a search path; what was found before is found first.
    """
    cursor.execute(
        "select datname from pg_database d where datname = current_database()"
        " and pg_has_role(datdba, 'usage') and not exists (select 1 from pg_db_role_setting s,"
        " unnest(s.setconfig) c where s.setdatabase = d.oid and s.setrole = 0 and c like 'search_path=%')"
    )
    found = cursor.fetchone()
    if found:
        cursor.execute(
            sql.SQL("alter database {} set search_path = {}").format(sql.Identifier(found[0]), sql.SQL(_SEARCH_PATH))
        )
