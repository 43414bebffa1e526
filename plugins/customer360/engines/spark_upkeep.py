"""What Spark's tables no longer need: snapshots older than a retention, and files that belong to no table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import fsspec

from customer360.contracts import ENTITIES
from customer360.engines.spark_statements import Statements

_ARRIVING = timedelta(hours=25)  # a younger file may be one that is being written; Iceberg refuses less than 24


def expire(statements: Statements, catalog: str, schemas: Sequence[str], before: datetime) -> int:
    """Remove what tables of `schemas` were before `before`, and what killed writers left; how many files.

    Tables of the lake's own files are left alone: Iceberg must never delete one of these (see `spark_lake`).
    """
    removed = 0
    orphaned = datetime.now(UTC) - _ARRIVING
    for schema in schemas:
        for _, table, *_ in statements.rows(f"show tables in {catalog}.{schema}"):
            if schema == "lake" and table in ENTITIES:
                continue
            name = f"table => '{schema}.{table}'"
            ((*counts,),) = statements.rows(
                f"call {catalog}.system.expire_snapshots({name}, older_than => {_stamp(before)})"
            )
            removed += sum(count or 0 for count in counts)
            removed += len(
                statements.rows(f"call {catalog}.system.remove_orphan_files({name}, older_than => {_stamp(orphaned)})")
            )
    return removed


def sweep(folder: str) -> int:
    """Remove what killed processes left in `folder`, where rows are exchanged; how many passages."""
    filesystem, path = fsspec.core.url_to_fs(folder)
    if not filesystem.exists(path):
        return 0
    oldest = datetime.now(UTC) - _ARRIVING
    dead = [each for each in filesystem.ls(path, detail=False) if _modified(filesystem, each) < oldest]
    for each in dead:
        filesystem.rm(each, recursive=True)
    return len(dead)


def _modified(filesystem: fsspec.AbstractFileSystem, folder: str) -> datetime:
    """When the newest file below `folder` was written, or the folder itself where it is empty."""
    inside = filesystem.find(folder) or [folder]
    stamps: list[datetime] = [filesystem.modified(each) for each in inside]
    return max(each if each.tzinfo else each.replace(tzinfo=UTC) for each in stamps)


def _stamp(moment: datetime) -> str:
    return f"timestamp_ltz '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC'"
