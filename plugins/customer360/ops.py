"""Schema `ops`: the small state of record that cannot be rebuilt from the lake."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from customer360 import ledger, publish
from customer360.identity import registry
from customer360.postgres import SCHEMAS


def statements() -> list[str]:
    """Everything `migrate` runs, in order; each statement may run again."""
    schemas = [f"create schema if not exists {name}" for name in SCHEMAS]
    return [*schemas, *ledger.DDL, *publish.DDL, *registry.DDL]


def migrate(connection: Connection) -> None:
    """Create or extend schemas and tables. One process at a time; does nothing when nothing is missing."""
    with connection.cursor() as cursor:
        cursor.execute("set local lock_timeout = '30s'")
        cursor.execute("select pg_advisory_xact_lock(hashtext('c360 migrate'))")
        for statement in statements():
            cursor.execute(statement)
    connection.commit()
