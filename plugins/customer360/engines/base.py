"""The one interface between the pipeline and the database that computes.

An engine holds the schemas `lake`, `staging`, `intermediate`, `identity`, `marts` (`qualify` gives
their real names) and for each a `night_…` one, where a slice of the customers is built before it takes
the place of theirs; it lets dbt build in them, and moves Arrow tables in and out. Engines are made by
`engines.open_engine(settings)` and are context managers; closing one releases its locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from customer360.settings import Settings

SLICE = "night_"  # prefix of the schemas in which a slice is built
_SCHEMAS = ("lake", "identity", "staging", "intermediate", "marts")
SCHEMAS = (*_SCHEMAS, *(SLICE + name for name in _SCHEMAS), "seeds")


class EngineError(RuntimeError):
    """The engine cannot do what was asked; the text names the cause, never a value of a record."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of an active batch (see `lake.py`)."""

    entity: str
    source: str
    batch_id: str
    path: str  # absolute local path or fsspec URL


class Engine(Protocol):
    name: str
    settings: Settings

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def qualify(self, schema: str, table: str) -> str:
        """Name of `schema.table` in SQL on this engine."""
        ...

    def stage(self, files: Sequence[LakeFile]) -> None:
        """Make `lake.<entity>` show exactly the rows of `files`, for every entity of the contract.

        An entity without files is an empty table of its schema. Rows of batches already staged are
        not copied again.
        """
        ...

    def read(self, sql: str) -> pa.Table:
        """Result of one query. Timestamps are naive UTC microseconds, numerics decimal128."""
        ...

    def write(self, schema: str, table: str, data: pa.Table) -> None:
        """Replace `schema.table` with `data`, atomically."""
        ...

    def has(self, schema: str, table: str) -> bool:
        """Whether `schema.table` is there."""
        ...

    def run(self, sql: str) -> None:
        """One statement without a result."""
        ...

    def define(self, schema: str, table: str, query: str) -> None:
        """`schema.table` anew from the rows of `query`."""
        ...

    def clear(self, schema: str) -> None:
        """Drop everything in `schema`."""
        ...

    def delete_matching(self, target: str, source: str, key: Sequence[str]) -> None:
        """Delete the rows of `target` that share the values of `key` with a row of `source`."""
        ...

    def dbt_environment(self) -> Mapping[str, str]:
        """Environment variables that `dbt_project/profiles.yml` reads for this engine's target."""
        ...

    def expire(self, before: datetime) -> int:
        """Remove files that only show what tables were before `before`, or that killed writers left more than a
        day ago; how many. The lake's own files stay."""
        ...

    def reset(self) -> None:
        """Drop everything the engine holds; the next night builds it again from the lake."""
        ...

    def release(self) -> None:
        """Give up connections so that another process (dbt) may write; reopened on next use."""
        ...
