"""Statements to Spark, whatever the endpoint: a Connect server, a Thrift server, or a driver of our own.

Bulk data never passes here: it is exchanged as Parquet files (see `spark.py`).
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from customer360.engines.base import EngineError

SERVED = ("sc://", "spark+thrift://")  # a server holds the driver
SCHEMES = (*SERVED, "spark://", "local[")
THRIFT_PORT = 10000
_PORTS = {"sc": 15002, "spark+thrift": THRIFT_PORT, "spark": 7077}
_PROBE_S = 10
NOT_INSTALLED = "engine spark needs the packages of the extra `spark`: run `make install-spark`"
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")


class Statements(Protocol):
    def run(self, sql: str) -> None:
        """Carry out one statement. Raises EngineError with Spark's error class, never its text."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Result of a small query."""
        ...

    def close(self) -> None: ...


def connect(endpoint: str, parameters: Mapping[str, str]) -> Statements:
    """A connection to `endpoint`; its session, or the driver it starts, is told `parameters`.

    Raises EngineError when nothing answers there or the scheme is none of SCHEMES.
    """
    if not endpoint.startswith(SCHEMES):
        raise EngineError(f"C360_ENGINE_URL must begin with one of {', '.join(SCHEMES)} for engine spark")
    _probe(endpoint)
    if endpoint.startswith("spark+thrift://"):
        return _ThriftStatements(endpoint, parameters)
    return _SessionStatements(endpoint, parameters)


def _probe(endpoint: str) -> None:
    """Refuse an endpoint where nobody listens: Spark's own clients go on trying for minutes."""
    if endpoint.startswith("local["):
        return
    scheme, _, rest = endpoint.partition("://")
    for place in rest.split("/")[0].split(","):  # several masters may be named
        parts = urlsplit(f"//{place}")
        try:
            port = parts.port or _PORTS[scheme]
            socket.create_connection((parts.hostname or "", port), timeout=_PROBE_S).close()
        except (OSError, ValueError):
            continue
        return
    raise EngineError(f"no Spark answers at {display(endpoint)}")


def for_thrift(parameters: Mapping[str, str]) -> dict[str, str]:
    """Parameters as a HiveServer2 session takes them."""
    return {f"set:hiveconf:{name}": value for name, value in parameters.items()}


def display(endpoint: str) -> str:
    """The endpoint without what is secret in it."""
    scheme, separator, rest = endpoint.partition("://")
    return scheme + separator + rest.split("/")[0].rpartition("@")[2]


class _SessionStatements:
    """A pyspark session: of a Connect server (`sc://`), or of a driver in this process (a master URL)."""

    def __init__(self, endpoint: str, parameters: Mapping[str, str]) -> None:
        try:
            from pyspark.sql import SparkSession
            from pyspark.sql.connect.session import SparkSession as ConnectSession
        except ImportError as error:
            raise EngineError(NOT_INSTALLED) from error
        # pyspark logs every refused statement whole, values and all.
        logging.getLogger("SQLQueryContextLogger").disabled = True
        # Not SparkSession.builder.remote: it would turn the whole process over to Connect.
        remote = endpoint.startswith("sc://")
        builder = ConnectSession.builder.remote(endpoint) if remote else SparkSession.builder
        for name, value in parameters.items():
            builder = builder.config(name, value)
        with _told(f"no Spark answers at {display(endpoint)}"):
            self._session = builder.create() if remote else builder.getOrCreate()
            self._session.sql("select 1").collect()

    def run(self, sql: str) -> None:
        with _told("Spark refused a statement"):
            self._session.sql(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with _told("Spark refused a query"):
            return [tuple(row) for row in self._session.sql(sql).collect()]

    def close(self) -> None:
        self._session.stop()


class _ThriftStatements:
    """A HiveServer2 session of a Thrift server."""

    def __init__(self, endpoint: str, parameters: Mapping[str, str]) -> None:
        parts = urlsplit(endpoint)
        try:
            from pyhive import hive
        except ImportError as error:
            raise EngineError(NOT_INSTALLED) from error
        # Every client of this protocol begins with `use default`, dbt's too: the catalog must have such a schema.
        told = dict(parameters)
        catalog = told.pop("spark.sql.defaultCatalog")
        with _told(f"no Spark answers at {display(endpoint)}"):
            self._connection = hive.connect(
                host=parts.hostname,
                port=parts.port or THRIFT_PORT,
                username=parts.username or "customer360",
                configuration=for_thrift(told),
            )
        self.run(f"create schema if not exists {catalog}.default")
        self.run(f"use {catalog}")

    def run(self, sql: str) -> None:
        self._execute(sql).close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self._execute(sql)
        try:
            return [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def close(self) -> None:
        self._connection.close()

    def _execute(self, sql: str) -> Any:
        cursor = self._connection.cursor()
        with _told("Spark refused a statement"):
            cursor.execute(sql)
        return cursor


@contextmanager
def _told(what: str) -> Iterator[None]:
    """One line for whatever Spark throws; its own texts repeat statements and values of rows."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001  (of four libraries)
        found = _CONDITION.search(str(error))
        raise EngineError(f"{what}: {found[1] if found else type(error).__name__}") from None
