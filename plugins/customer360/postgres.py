"""Serving Postgres: a configured server, or the private one of `cluster.py`; connections, and what errors may say."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360 import cluster
from customer360.cluster import DATABASE, Cluster, PostgresError
from customer360.settings import Settings

__all__ = ["Cluster", "Connection", "PostgresError"]

SCHEMAS = ("ops", "store", "serving", "candidate", "marketing")
# Error classes about objects, connections and resources: their texts never quote a row.
_TELLABLE = ("08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")


def serving_url(settings: Settings) -> str:
    """URL of the serving database; starts the private server if there is no configured one."""
    return settings.serving_url or start(settings).url()


def database_url(settings: Settings, database: str) -> str:
    """URL of another database on the serving server, created if it is not there."""
    url = serving_url(settings)
    _create_database(url, database)
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def display_url(settings: Settings) -> str:
    """The serving URL for a person on this machine, without a password: psql finds that of the private server."""
    if settings.serving_url is None:
        return start(settings).display_url(settings.local / "postgres")
    parts = urlsplit(settings.serving_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if parts.username else host))


# Connections --------------------------------------------------------------------------------------


@contextlib.contextmanager
def connect(
    settings: Settings, *, application_name: str, statement_timeout_s: float | None = None
) -> Iterator[Connection]:
    """A connection to the serving database, closed at the end; nothing commits by itself.

    Waits at most 2 s for a lock, and a transaction left idle for 10 minutes is ended, so that neither a
    long reader nor a dead task can block the others for long. A database error that leaves the block says
    what `safe_error` says.
    """
    with connect_url(serving_url(settings), application_name, statement_timeout_s) as connection:
        yield connection


@contextlib.contextmanager
def connect_url(url: str, application_name: str, statement_timeout_s: float | None = None) -> Iterator[Connection]:
    """`connect` for any server."""
    connection = psycopg2.connect(url, application_name=application_name, connect_timeout=15)
    try:
        _configure(connection, statement_timeout_s)
        yield connection
    except psycopg2.Error as error:
        raise _told(error) from None
    finally:
        connection.close()


def _configure(connection: Connection, statement_timeout_s: float | None) -> None:
    """Session settings, made outside any transaction so that no rollback takes them back."""
    session = {"lock_timeout": "2s", "idle_in_transaction_session_timeout": "10min", "timezone": "UTC"}
    if connection.server_version >= 140_000:  # the locks of a client that died are freed at once
        session["client_connection_check_interval"] = "1s"
    if statement_timeout_s is not None:
        session["statement_timeout"] = f"{int(statement_timeout_s * 1000)}ms"
    connection.autocommit = True
    with connection.cursor() as cursor:
        calls = ", ".join(["set_config(%s, %s, false)"] * len(session))
        cursor.execute(f"select {calls}", [each for pair in session.items() for each in pair])
    connection.autocommit = False


class _Told(psycopg2.Error):
    """Marks an error whose text is safe already."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self).__bases__[-1], (str(self),)


def _told(error: psycopg2.Error) -> psycopg2.Error:
    """An error of the same class, so that handlers still know it, that says no more than `safe_error`."""
    if isinstance(error, _Told):
        return error
    kind = type(type(error).__name__, (_Told, type(error)), {"__module__": type(error).__module__})
    told: psycopg2.Error = kind(safe_error(error))
    return told.with_traceback(error.__traceback__)


def safe_error(error: psycopg2.Error) -> str:
    """What a database error may say in a log: state, constraint, table and column; never a value."""
    if isinstance(error, _Told):
        return str(error)
    found = error.diag
    parts = {
        "sqlstate": error.pgcode,
        "constraint": found.constraint_name,
        "table": found.table_name,
        "column": found.column_name,
    }
    named = " ".join(f"{name}={value}" for name, value in parts.items() if value)
    why = f": {found.message_primary}" if (error.pgcode or "").startswith(_TELLABLE) else ""
    return f"{type(error).__name__} {named}".strip() + why


# The private server -------------------------------------------------------------------------------


def start(settings: Settings) -> Cluster:
    """Start the private server below `<local>/postgres` unless it runs. Raises PostgresError."""
    found = cluster.start(settings.local / "postgres")
    _create_database(found.url("postgres"), DATABASE)
    return found


def status(settings: Settings) -> Cluster | None:
    """The private server if it runs."""
    return cluster.status(settings.local / "postgres")


def stop(settings: Settings) -> bool:
    """Stop the private server; False if none runs. Raises PostgresError when it does not stop."""
    return cluster.stop(settings.local / "postgres")


def drop(settings: Settings) -> None:
    """Stop the private server and remove its data, wherever they lie."""
    cluster.drop(settings.local / "postgres")


# Databases ----------------------------------------------------------------------------------------


def reset(settings: Settings) -> None:
    """Empty the serving database of everything of ours (the demo's fresh start)."""
    with connect(settings, application_name="c360 reset") as connection, connection.cursor() as cursor:
        for name in _our_schemas(cursor):
            cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
        connection.commit()


def holds_data(settings: Settings) -> bool:
    """Whether the serving database has a ledger with deliveries in it."""
    with connect(settings, application_name="c360 look") as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('ops.ledger') is not null")
        if not (cursor.fetchone() or (False,))[0]:
            return False
        cursor.execute("select exists (select 1 from ops.ledger)")
        return bool((cursor.fetchone() or (False,))[0])


def _our_schemas(cursor: Any) -> list[str]:
    cursor.execute(
        "select nspname from pg_namespace where nspname = any(%s) or nspname like 'c360\\_%%' order by 1",
        (list(SCHEMAS),),
    )
    return [name for (name,) in cursor]


def _create_database(url: str, database: str) -> None:
    """Make `database` on the server of `url` unless it is there; two processes may try at once."""
    connection = psycopg2.connect(url, connect_timeout=15)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", (database,))
            if cursor.fetchone() is None:
                with contextlib.suppress(psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                    cursor.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    finally:
        connection.close()
