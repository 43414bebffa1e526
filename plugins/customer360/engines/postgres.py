"""PostgreSQL as the engine: for teams that keep everything in their warehouse.

Schemas carry the prefix `c360_`. Lake batches are copied in once and dropped when no longer active.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.binary import copy_in
from customer360.contracts import ENTITIES, lake_schema
from customer360.copying import copy_out
from customer360.engines.base import SCHEMAS, Engine, LakeFile
from customer360.engines.types import arrow_type, sql_type
from customer360.postgres import connect_url, serving_url
from customer360.settings import Settings

PREFIX = "c360_"


class PostgresEngine(Engine):
    name = "postgres"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._url: str | None = None
        self._stack = ExitStack()
        self._connection: Connection | None = None

    @property
    def url(self) -> str:
        if self._url is None:
            self._url = self.settings.engine_url or serving_url(self.settings)
        return self._url

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._stack.enter_context(connect_url(self.url, "c360 engine"))
            with self._connection.cursor() as cursor:
                cursor.execute("select pg_advisory_xact_lock(hashtext('c360 engine ddl'))")
                for schema in SCHEMAS:
                    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(PREFIX + schema)))
            self._connection.commit()
        return self._connection

    def qualify(self, schema: str, table: str) -> str:
        return f"{PREFIX}{schema}.{table}"

    def stage(self, files: Sequence[LakeFile]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "create table if not exists c360_lake.staged (entity text, source text, batch_id text,"
                " primary key (entity, source, batch_id))"
            )
            for entity in ENTITIES:
                self._stage_entity(cursor, entity, [file for file in files if file.entity == entity])
        self.connection.commit()

    def _stage_entity(self, cursor: Any, entity: str, files: Sequence[LakeFile]) -> None:
        table = sql.Identifier("c360_lake", entity)
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(sql_type(field.type)))
            for field in lake_schema(entity)
        )
        cursor.execute(sql.SQL("create table if not exists {} ({})").format(table, columns))
        cursor.execute("select source, batch_id from c360_lake.staged where entity = %s", (entity,))
        staged = set(cursor.fetchall())
        wanted = {(file.source, file.batch_id) for file in files}
        for source, batch_id in sorted(staged - wanted):
            cursor.execute(
                sql.SQL("delete from {} where source = %s and batch_id = %s").format(table), (source, batch_id)
            )
            cursor.execute(
                "delete from c360_lake.staged where entity = %s and source = %s and batch_id = %s",
                (entity, source, batch_id),
            )
        for file in files:
            if (file.source, file.batch_id) not in staged:
                self._copy_file(cursor, table, file)
                cursor.execute("insert into c360_lake.staged values (%s, %s, %s)", (entity, file.source, file.batch_id))
        if staged != wanted:
            cursor.execute(sql.SQL("analyze {}").format(table))

    def _copy_file(self, cursor: Any, table: sql.Identifier, file: LakeFile) -> None:
        filesystem, path = fsspec.core.url_to_fs(file.path)
        names = lake_schema(file.entity).names
        with filesystem.open(path, "rb") as stream:
            for batch in pq.ParquetFile(stream).iter_batches(200_000, columns=names):
                copy_in(cursor, table, pa.Table.from_batches([batch]).select(names))

    def read(self, sql_text: str) -> pa.Table:
        with self.connection.cursor() as cursor:
            cursor.execute(f"select * from ({sql_text}) q limit 0")
            described = cursor.description or ()
            cursor.execute("select oid, typname from pg_type where oid = any(%s)", ([c.type_code for c in described],))
            names = dict(cursor.fetchall())
            schema = pa.schema([(c.name, arrow_type(names[c.type_code], c.precision, c.scale)) for c in described])
            found = copy_out(cursor, sql_text, schema)
        self.connection.commit()
        return found

    def write(self, schema: str, table: str, data: pa.Table) -> None:
        name = sql.Identifier(PREFIX + schema, table)
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(sql_type(field.type))) for field in data.schema
        )
        with self.connection.cursor() as cursor:
            # Emptied, not dropped, when it is there: dbt's views stand on it.
            cursor.execute(sql.SQL("create table if not exists {} ({})").format(name, columns))
            cursor.execute(sql.SQL("delete from {}").format(name))
            copy_in(cursor, name, data)
            cursor.execute(sql.SQL("analyze {}").format(name))
        self.connection.commit()

    def run(self, sql: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
        self.connection.commit()

    def define(self, schema: str, table: str, query: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"drop table if exists {PREFIX}{schema}.{table}")
            cursor.execute(f"create table {PREFIX}{schema}.{table} as {query}")
            cursor.execute(f"analyze {PREFIX}{schema}.{table}")
        self.connection.commit()

    def clear(self, schema: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("set local client_min_messages = warning")
            cursor.execute(f"drop schema if exists {PREFIX}{schema} cascade")
            cursor.execute(f"create schema {PREFIX}{schema}")
        self.connection.commit()

    def reset(self) -> None:
        with self.connection.cursor() as cursor:
            for schema in SCHEMAS:
                cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(PREFIX + schema)))
        self.connection.commit()
        self.release()

    @property
    def database(self) -> str:
        return urlsplit(self.url).path.lstrip("/")

    def dbt_environment(self) -> Mapping[str, str]:
        parts = urlsplit(self.url)
        return {
            "C360_PG_HOST": parts.hostname or "127.0.0.1",
            "C360_PG_PORT": str(parts.port or 5432),
            "C360_PG_USER": unquote(parts.username or ""),
            "C360_PG_PASSWORD": unquote(parts.password or ""),
            "C360_PG_DATABASE": parts.path.lstrip("/"),
            "C360_PG_THREADS": str(self.settings.threads),
        }

    def release(self) -> None:
        self._stack.close()
        self._connection = None
