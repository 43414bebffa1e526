"""The one interface between the pipeline and the database that computes.

An engine holds the schemas `lake`, `staging`, `intermediate`, `identity`, `attribution`, `marts` (`qualify` gives
their real names) and for each a `night_…` one, where a slice of the customers is built before it takes
the place of theirs; it lets dbt build in them, and moves Arrow tables in and out. Engines are made by
`engines.open_engine(settings)` and are context managers; closing one releases its locks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self

import duckdb
import pyarrow as pa

from customer360.settings import Settings

SLICE = "night_"  # prefix of the schemas in which a slice is built
_SCHEMAS = ("lake", "identity", "staging", "intermediate", "marts")
SCHEMAS = (*_SCHEMAS, *(SLICE + name for name in _SCHEMAS), "seeds", "attribution")


class EngineError(RuntimeError):
    """The engine cannot do what was asked; the text names the cause, never a value of a record."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of an active batch (see `lake.py`)."""

    entity: str
    source: str
    batch_id: str
    path: str  # absolute local path or fsspec URL


class Engine(ABC):
    name: ClassVar[str]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @abstractmethod
    def qualify(self, schema: str, table: str) -> str:
        """Name of `schema.table` in SQL on this engine."""

    @abstractmethod
    def stage(self, files: Sequence[LakeFile]) -> None:
        """Make `lake.<entity>` show exactly the rows of `files`, for every entity of the contract.

        An entity without files is an empty table of its schema. Rows of batches already staged are
        not copied again.
        """

    @abstractmethod
    def read(self, sql: str) -> pa.Table:
        """Result of one query. Timestamps are naive UTC microseconds, numerics decimal128."""

    @abstractmethod
    def write(self, schema: str, table: str, data: pa.Table) -> None:
        """Replace `schema.table` with `data`, atomically."""

    @abstractmethod
    def run(self, sql: str) -> None:
        """One statement without a result."""

    @abstractmethod
    def define(self, schema: str, table: str, query: str) -> None:
        """`schema.table` anew from the rows of `query`."""

    @abstractmethod
    def clear(self, schema: str) -> None:
        """Drop everything in `schema`."""

    @property
    def database(self) -> str:
        """What dbt puts before a schema's name; empty where it puts nothing."""
        return ""

    @abstractmethod
    def dbt_environment(self) -> Mapping[str, str]:
        """Environment variables that `dbt_project/profiles.yml` reads for this engine's target."""

    @abstractmethod
    def reset(self) -> None:
        """Drop everything the engine holds; the next night builds it again from the lake."""

    @abstractmethod
    def release(self) -> None:
        """Give up connections so that another process (dbt) may write; reopened on next use."""

    def has(self, schema: str, table: str) -> bool:
        """Whether `schema.table` is there."""
        where, name = self.qualify(schema, table).split(".")
        found = self.read(
            "select count(*) as n from information_schema.tables"
            f" where table_schema = '{where}' and table_name = '{name}'"
        )
        return bool(found.column("n")[0].as_py())

    def delete_matching(self, target: str, source: str, key: Sequence[str]) -> None:
        """Delete the rows of `target` that share the values of `key` with a row of `source`."""
        same = " and ".join(f"m.{name} = d.{name}" for name in key)
        self.run(f"delete from {target} as m using {source} as d where {same}")

    def expire(self, before: datetime) -> int:  # noqa: ARG002  (for engines that remember)
        """Remove files that only show what tables were before `before`, or that killed writers left more than a
        day ago; how many. The lake's own files stay."""
        return 0

    @contextmanager
    def workspace(self, relations: Mapping[str, str]) -> Iterator[Any]:
        """A DuckDB connection of this process that shows `relations` {its name there: its name here}. Temporary
        tables made there are spilled to disk where they do not fit, and gone at the end."""
        spill = self.settings.local / "engine" / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        limits: dict[str, str | int] = {"threads": self.settings.threads, "temp_directory": str(spill)}
        if self.settings.memory_limit:
            limits["memory_limit"] = self.settings.memory_limit
        with duckdb.connect(config=limits) as connection:
            for name, relation in relations.items():
                connection.register(name, self.read(f"select * from {relation}"))
            yield connection

    def keep(self, workspace: Any, schema: str, table: str, query: str) -> None:
        """`schema.table` anew from the rows of `query` in `workspace`, atomically."""
        self.write(schema, table, workspace.sql(query).to_arrow_table())
