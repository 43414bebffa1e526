"""Marketing's tables as of one publication: everything read within a snapshot is of the same night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection

from customer360.binary import arrow_type
from customer360.marketing import schema
from customer360.marketing.contract import Table
from customer360.postgres import connect
from customer360.settings import Settings

_BATCH = 20_000  # rows fetched at a time


class NothingPublished(ValueError):
    """There is no publication yet, or none whose tables marketing may read."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose `column`, as text, is `value`."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} = {self.value}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What `marketing.publication` says."""

    publication_id: int
    as_of: datetime
    published_at: datetime
    gate: str
    tests_passed: int
    tests_warned: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows of a table, and the sum of each column of numbers (None where every value is null)."""

    rows: int
    sums: dict[str, Decimal | None]


class Snapshot:
    """One read-only transaction; made by `snapshot`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: dict[tuple[str, tuple[object, ...]], list[tuple[Any, ...]]] = {}
        with connection.cursor() as cursor:
            about = {table.name for table in schema.PUBLICATIONS}
            self.tables = {table.name: table for table in schema.recorded(cursor) if table.name not in about}
            if not self.tables:
                raise NothingPublished("no night has been published with tables for marketing yet")
            cursor.execute(f"select {', '.join(Facts.__slots__)} from marketing.publication")
            self.facts = Facts(*_one(cursor))

    def drift(self) -> list[str]:
        """How the database differs from the contracts; see `schema.drift`."""
        with self._connection.cursor() as cursor:
            return schema.drift(cursor)

    def batches(self, table: Table, filters: Sequence[Filter] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, ordered by the table's key, in batches that memory can hold."""
        where, values = _where(table, filters)
        query = sql.SQL("select {} from {} {} order by {}").format(
            _names(column.name for column in table.columns), _view(table), where, _names(table.key)
        )
        with self._connection.cursor("c360_marketing_rows") as cursor:
            cursor.itersize = _BATCH
            cursor.execute(query, values)
            while found := cursor.fetchmany(_BATCH):
                yield found

    def ask(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of any query within the snapshot; asked again, it answers from memory, for nothing changes here."""
        asked = (query, tuple(values))
        if asked not in self._answers:
            with self._connection.cursor() as cursor:
                cursor.execute(query, list(values))
                self._answers[asked] = cursor.fetchall()
        return list(self._answers[asked])

    def figures(self, table: Table, filters: Sequence[Filter] = ()) -> Figures:
        """Count and sums as the database computes them."""
        numbers = numeric_columns(table)
        where, values = _where(table, filters)
        sums = [sql.SQL("sum({})::numeric").format(sql.Identifier(name)) for name in numbers]
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("select {} from {} {}").format(
                    sql.SQL(", ").join([sql.SQL("count(*)"), *sums]), _view(table), where
                ),
                values,
            )
            rows, *found = _one(cursor)
        return Figures(rows, dict(zip(numbers, found, strict=True)))


@contextmanager
def snapshot(settings: Settings, application_name: str) -> Iterator[Snapshot]:
    """What is served now, for as long as the block lasts. Raises NothingPublished."""
    with connect(settings, application_name=application_name) as connection:
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("select to_regclass('marketing.publication') is not null")
            if not _one(cursor)[0]:
                raise NothingPublished("no night has been published with tables for marketing yet")
        yield Snapshot(connection)


def numeric_columns(table: Table) -> list[str]:
    """Columns whose sum says something to check by: numbers, but for those of the key."""
    kinds = {column.name: arrow_type(column.data_type) for column in table.columns}
    return [name for name, kind in kinds.items() if (pa.types.is_integer(kind) or pa.types.is_decimal(kind))]


def _where(table: Table, filters: Sequence[Filter]) -> tuple[sql.Composable, list[str]]:
    """Raises ValueError for a filter on a column that the table does not have."""
    known = [column.name for column in table.columns]
    unknown = sorted({each.column for each in filters} - set(known))
    if unknown:
        raise ValueError(f"{table.name} has no column {', '.join(unknown)}; it has {', '.join(known)}")
    if not filters:
        return sql.SQL(""), []
    parts = [sql.SQL("{}::text = %s").format(sql.Identifier(each.column)) for each in filters]
    return sql.SQL("where {}").format(sql.SQL(" and ").join(parts)), [each.value for each in filters]


def _view(table: Table) -> sql.Identifier:
    return sql.Identifier(schema.SCHEMA, table.views[-1])


def _names(names: Any) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _one(cursor: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = cursor.fetchone()
    return found
