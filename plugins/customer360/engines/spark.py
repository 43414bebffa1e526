"""Spark as the engine: for data that one machine no longer holds.

Tables are Iceberg's, in a catalog that is nothing but a folder (`C360_SPARK_WAREHOUSE`) which this machine and
the cluster both see. The lake's Parquet files become part of the tables of `lake` where they lie. Rows travel
as Parquet files in the folder `exchange` beside the tables. Without an endpoint the project starts a cluster
of its own on this machine.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from customer360.contracts import ENTITIES
from customer360.engines import spark_cluster, spark_upkeep
from customer360.engines.base import SCHEMAS, Engine, LakeFile
from customer360.engines.spark_lake import literal, spark_url, stage_entity
from customer360.engines.spark_runtime import iceberg_jar, java
from customer360.engines.spark_statements import SERVED, THRIFT_PORT, Statements, connect, for_thrift
from customer360.settings import Settings

CATALOG = "c360"


class SparkEngine(Engine):
    name = "spark"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.warehouse = settings.spark_warehouse or str(settings.local / "engine" / "spark")
        self._endpoint: str | None = settings.engine_url
        self._statements: Statements | None = None

    @property
    def endpoint(self) -> str:
        """Where sessions are opened; our own cluster is started when none is given."""
        if self._endpoint is None:
            jar = iceberg_jar(self.settings)
            cluster = spark_cluster.start(
                spark_cluster.folder(self.settings),
                jar,
                cores=self.settings.threads,
                memory=spark_cluster.executor_memory(self.settings.memory_limit),
            )
            self._endpoint = cluster.endpoint
        return self._endpoint

    @property
    def statements(self) -> Statements:
        if self._statements is None:
            self._statements = connect(self.endpoint, self._parameters())
            for schema in SCHEMAS:
                self._statements.run(f"create schema if not exists {CATALOG}.{schema}")
        return self._statements

    def qualify(self, schema: str, table: str) -> str:
        return f"{schema}.{table}"

    def stage(self, files: Sequence[LakeFile]) -> None:
        for entity in ENTITIES:
            stage_entity(self.statements, CATALOG, entity, [file for file in files if file.entity == entity])

    def read(self, sql: str) -> pa.Table:
        with self._exchange() as folder:
            self.statements.run(f"insert overwrite directory {literal(spark_url(folder))} using parquet {sql}")
            return _naive(_read_folder(folder))

    def write(self, schema: str, table: str, data: pa.Table) -> None:
        with self._exchange() as folder:
            filesystem, path = fsspec.core.url_to_fs(folder)
            filesystem.makedirs(path, exist_ok=True)
            with filesystem.open(f"{path}/rows.parquet", "wb") as stream:
                pq.write_table(_naive(data), stream)
            source = spark_url(f"{folder}/rows.parquet").replace("`", "``")
            self.statements.run(
                f"create or replace table {CATALOG}.{schema}.{table} using iceberg as select * from parquet.`{source}`"
            )

    def has(self, schema: str, table: str) -> bool:
        return bool(self.statements.rows(f"show tables in {CATALOG}.{schema} like '{table}'"))

    def run(self, sql: str) -> None:
        self.statements.run(sql)

    def define(self, schema: str, table: str, query: str) -> None:
        self.statements.run(f"create or replace table {CATALOG}.{schema}.{table} using iceberg as {query}")

    def clear(self, schema: str) -> None:
        for _, table, *_ in self.statements.rows(f"show tables in {CATALOG}.{schema}"):
            self.statements.run(f"drop table if exists {CATALOG}.{schema}.{table} purge")

    def delete_matching(self, target: str, source: str, key: Sequence[str]) -> None:
        same = " and ".join(f"m.{name} = d.{name}" for name in key)
        self.statements.run(f"merge into {target} as m using {source} as d on {same} when matched then delete")

    def expire(self, before: datetime) -> int:
        removed = spark_upkeep.expire(self.statements, CATALOG, SCHEMAS, before)
        return removed + spark_upkeep.sweep(f"{self.warehouse}/exchange")

    def reset(self) -> None:
        for schema in SCHEMAS:
            for _, table, *_ in self.statements.rows(f"show tables in {CATALOG}.{schema}"):
                # The files of the lake are not the table's to remove.
                purge = "" if schema == "lake" else " purge"
                self.statements.run(f"drop table if exists {CATALOG}.{schema}.{table}{purge}")
        self.release()

    def dbt_environment(self) -> Mapping[str, str]:
        endpoint, parameters, where = self.endpoint, self._parameters(), {"C360_SPARK_METHOD": "session"}
        if endpoint.startswith("sc://"):
            where["SPARK_REMOTE"] = endpoint
        elif endpoint.startswith("spark+thrift://"):
            parts, parameters = urlsplit(endpoint), for_thrift(parameters)
            where = {
                "C360_SPARK_METHOD": "thrift",
                "C360_SPARK_HOST": parts.hostname or "",
                "C360_SPARK_PORT": str(parts.port or THRIFT_PORT),
                "C360_SPARK_USER": parts.username or "customer360",
            }
        return {
            "C360_SPARK_PARAMETERS": json.dumps(parameters),
            "C360_SPARK_THREADS": str(self.settings.threads),
            **where,
        }

    def release(self) -> None:
        if self._statements is not None:
            self._statements.close()
            self._statements = None

    def _parameters(self) -> dict[str, str]:
        """What a session is told, and a driver of our own on this machine besides."""
        if self.endpoint.startswith(SERVED):
            return parameters(self.warehouse)
        java()
        home = spark_cluster.folder(self.settings)
        driver = spark_cluster.driver_properties(self.endpoint, iceberg_jar(self.settings), home)
        return driver | parameters(self.warehouse)

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[str]:
        """A folder of its own for one passage of rows, removed at the end."""
        folder = f"{self.warehouse}/exchange/{uuid.uuid4().hex}"
        try:
            yield folder
        finally:
            filesystem, path = fsspec.core.url_to_fs(folder)
            with contextlib.suppress(FileNotFoundError):
                filesystem.rm(path, recursive=True)


def parameters(warehouse: str) -> dict[str, str]:
    """What every session is told, so that it answers like the other engines."""
    return {
        f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog",
        f"spark.sql.catalog.{CATALOG}.type": "hadoop",
        f"spark.sql.catalog.{CATALOG}.warehouse": spark_url(f"{warehouse}/tables"),
        # A session must see what another one has just written.
        f"spark.sql.catalog.{CATALOG}.cache-enabled": "false",
        "spark.sql.defaultCatalog": CATALOG,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    }


def _read_folder(folder: str) -> pa.Table:
    filesystem, path = fsspec.core.url_to_fs(folder)
    parts = sorted(name for name in filesystem.ls(path, detail=False) if name.endswith(".parquet"))
    tables = []
    for part in parts:  # their names carry the order of the rows
        with filesystem.open(part, "rb") as stream:
            tables.append(pq.read_table(stream))
    return pa.concat_tables(tables)


def _naive(table: pa.Table) -> pa.Table:
    """Stamps without a zone, and no column without a type: what Spark and the contracts both know."""
    fields = []
    for field in table.schema:
        kind = pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type
        fields.append(pa.field(field.name, pa.string() if pa.types.is_null(kind) else kind))
    return table.cast(pa.schema(fields))
