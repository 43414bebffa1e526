"""DuckDB in a file: the embedded default. The lake is read in place, through views on its Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import fsspec
import pyarrow as pa

from customer360.contracts import ENTITIES, lake_schema
from customer360.engines.base import SCHEMAS, Engine, EngineError, LakeFile
from customer360.engines.types import sql_type
from customer360.settings import Settings


class DuckDBEngine(Engine):
    """One writing process at a time: `release` before another process (dbt) opens the file."""

    name = "duckdb"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.path = settings.local / "engine" / "customer360.duckdb"
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open connection. Raises EngineError while another process has the file."""
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = duckdb.connect(str(self.path))
            except duckdb.IOException as error:
                raise EngineError(f"{self.path} is in use by another process") from error
            self._connection.execute(f"set threads = {self.settings.threads}")
            self._connection.execute("set preserve_insertion_order = false")
            if self.settings.memory_limit:
                self._connection.execute(f"set memory_limit = '{self.settings.memory_limit}'")
            for schema in SCHEMAS:
                self._connection.execute(f"create schema if not exists {schema}")
        return self._connection

    def qualify(self, schema: str, table: str) -> str:
        return f"{schema}.{table}"

    def stage(self, files: Sequence[LakeFile]) -> None:
        for entity in ENTITIES:
            paths = [self._local(file) for file in files if file.entity == entity]
            self.connection.execute(f"create or replace view lake.{entity} as {_view(entity, paths)}")

    def read(self, sql: str) -> pa.Table:
        return self.connection.sql(sql).to_arrow_table()

    def write(self, schema: str, table: str, data: pa.Table) -> None:
        connection = self.connection
        connection.register("incoming", data)
        try:
            connection.execute(f"create or replace table {schema}.{table} as select * from incoming")
        finally:
            connection.unregister("incoming")

    def run(self, sql: str) -> None:
        self.connection.execute(sql)

    def define(self, schema: str, table: str, query: str) -> None:
        self.connection.execute(f"create or replace table {schema}.{table} as {query}")

    def clear(self, schema: str) -> None:
        self.connection.execute(f"drop schema if exists {schema} cascade")
        self.connection.execute(f"create schema {schema}")

    @contextmanager
    def workspace(self, relations: Mapping[str, str]) -> Iterator[Any]:
        """The connection to the file itself: nothing is copied."""
        for name, relation in relations.items():
            self.run(f"create or replace temp view {name} as select * from {relation}")
        try:
            yield self.connection
        finally:
            self.release()

    def keep(self, workspace: Any, schema: str, table: str, query: str) -> None:
        workspace.execute(f"create or replace table {schema}.{table} as {query}")

    def reset(self) -> None:
        self.release()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    @property
    def database(self) -> str:
        return self.path.stem

    def dbt_environment(self) -> Mapping[str, str]:
        return {
            "C360_DUCKDB_PATH": str(self.path),
            "C360_DUCKDB_THREADS": str(self.settings.threads),
            "C360_DUCKDB_MEMORY": self.settings.memory_limit or "75%",
            "C360_DUCKDB_TEMP": str(self.path.parent / "spill"),
        }

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _local(self, file: LakeFile) -> str:
        """Path DuckDB can read; a file on object storage is copied once, under its content's name."""
        if "://" not in file.path:
            return file.path
        mark = hashlib.sha256(file.path.encode()).hexdigest()[:24]
        cached = self.path.parent / "lake_cache" / f"{mark}.parquet"
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            filesystem, path = fsspec.core.url_to_fs(file.path)
            arriving = cached.with_suffix(".arriving")
            filesystem.get_file(path, str(arriving))
            arriving.replace(cached)
        return str(cached)


def _view(entity: str, paths: Sequence[str]) -> str:
    """Select over `paths`; stamps as naive UTC, so that no session's zone can move them."""
    columns = []
    for field in lake_schema(entity):
        if pa.types.is_timestamp(field.type):
            columns.append(f'make_timestamp(epoch_us("{field.name}")) as "{field.name}"')
        else:
            columns.append(f'"{field.name}"')
    if not paths:
        empty = ", ".join(f'cast(null as {sql_type(field.type)}) as "{field.name}"' for field in lake_schema(entity))
        return f"select {empty} where false"
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"select {', '.join(columns)} from read_parquet([{listed}], union_by_name = true)"
