"""The lake on Spark: Iceberg tables made of the lake's own Parquet files, where they lie.

A file joins a table by its path and statistics (`add_files`); nothing is copied, and nothing of Iceberg's
ever deletes it (`gc.enabled`). A batch leaves by a delete that drops whole files, or the table is made anew.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

import fsspec
import pyarrow as pa

from customer360.contracts import lake_schema
from customer360.engines.base import LakeFile
from customer360.engines.spark_statements import Statements
from customer360.engines.types import sql_type

_SNAPSHOTS = 1000  # Iceberg expires none where it may not delete files: their list would grow for ever
_SPARK_TYPES = {
    "varchar": "string",
    "integer": "int",
    "smallint": "int",
    "timestamp": "timestamp_ntz",
    "double precision": "double",
}


def stage_entity(statements: Statements, catalog: str, entity: str, files: Sequence[LakeFile]) -> None:
    """Make `lake.<entity>` show exactly the rows of `files`."""
    table = f"lake.`{entity}`"  # an entity is called identifier, which Spark takes for a function
    _ensure(statements, catalog, table, entity)
    wanted = {_as_listed(file.path): file for file in files}
    staged = _staged(statements, f"{catalog}.{table}")
    gone = {batch for path, batch in staged.items() if path not in wanted}
    if None in gone:  # nothing tells Iceberg which files these are
        _drop(statements, catalog, table)
        _ensure(statements, catalog, table, entity)
        gone, staged = set(), {}
    for source, batch_id in sorted(batch for batch in gone if batch):
        statements.run(
            f"delete from {catalog}.{table} where source = {literal(source)} and batch_id = {literal(batch_id)}"
        )
    kept = {path for path, batch in staged.items() if batch not in gone}
    new = [file for path, file in wanted.items() if path not in kept]
    for path in _in_few_calls(new):
        source_table = "parquet.`" + spark_url(path).replace("`", "``") + "`"
        statements.run(
            f"call {catalog}.system.add_files(table => {literal(table)}, source_table => {literal(source_table)})"
        )


def _staged(statements: Statements, table: str) -> dict[str, tuple[str, str] | None]:
    """The table's files, each with its source and batch: None where the file carries no statistics of them.

    Exact bounds are kept (see `_ensure`), and a file holds one batch, so the bounds are its source and batch.
    """
    found = statements.rows(
        "select file_path, readable_metrics.source.lower_bound, readable_metrics.batch_id.lower_bound"
        f" from {table}.files"
    )
    return {path: (source, batch_id) if source and batch_id else None for path, source, batch_id in found}


def _drop(statements: Statements, catalog: str, table: str) -> None:
    """Without `purge`: the files are the lake's."""
    statements.run(f"drop table {catalog}.{table}")


def spark_url(path: str) -> str:
    """A path as Spark's file systems call it."""
    return "s3a" + path[2:] if path.startswith("s3:") else path


def _as_listed(path: str) -> str:
    """A path as Iceberg lists it."""
    return spark_url(path) if "://" in path else f"file:{path}"


def _ensure(statements: Statements, catalog: str, table: str, entity: str) -> None:
    columns = [(field.name, _spark_type(field.type)) for field in lake_schema(entity)]
    listed = ", ".join(f"{name} {kind}" for name, kind in columns)
    create = (
        f"create table if not exists {catalog}.{table} ({listed}) using iceberg"
        " tblproperties ('gc.enabled' = 'false', 'write.metadata.metrics.default' = 'full',"
        " 'write.metadata.delete-after-commit.enabled' = 'true')"
    )
    statements.run(create)
    found = [(name, kind) for name, kind, *_ in statements.rows(f"describe table {catalog}.{table}")]
    ((snapshots,),) = statements.rows(f"select count(*) from {catalog}.{table}.snapshots")
    if found[: len(columns)] != columns or snapshots > _SNAPSHOTS:  # made for an older contract, or long ago
        _drop(statements, catalog, table)
        statements.run(create)


def _spark_type(kind: pa.DataType) -> str:
    name = sql_type(kind)
    return _SPARK_TYPES.get(name, name).replace(", ", ",")


def _in_few_calls(files: Sequence[LakeFile]) -> Iterator[str]:
    """Paths to add: a folder when all it holds is new, else file by file."""
    folders: dict[str, list[str]] = {}
    for file in files:
        folders.setdefault(posixpath.dirname(file.path), []).append(file.path)
    for folder, paths in sorted(folders.items()):
        filesystem, inside = fsspec.core.url_to_fs(folder)
        held = {posixpath.basename(name) for name in filesystem.ls(inside, detail=False)}
        if len(paths) > 1 and held == {posixpath.basename(path) for path in paths}:
            yield folder
        else:
            yield from sorted(paths)


def literal(value: str) -> str:
    """A text in Spark's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
