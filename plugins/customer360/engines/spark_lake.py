"""The lake on Spark: Iceberg tables made of the lake's own Parquet files, where they lie.

A file joins a table by its path and statistics (`add_files`); nothing is copied, and nothing of Iceberg's
ever deletes it (`gc.enabled`). A batch leaves by a delete that drops whole files.
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
    # Exact bounds are kept (see `_ensure`), and a file holds one batch, so the bounds are its source and batch.
    staged = {
        (source, batch, path)
        for source, batch, path in statements.rows(
            "select readable_metrics.source.lower_bound, readable_metrics.batch_id.lower_bound, file_path"
            f" from {catalog}.{table}.files"
        )
    }
    wanted = {(file.source, file.batch_id, _as_listed(file.path)) for file in files}
    gone = {(source, batch) for source, batch, _ in staged - wanted}
    for source, batch in sorted(gone):
        statements.run(
            f"delete from {catalog}.{table} where source = {literal(source)} and batch_id = {literal(batch)}"
        )
    kept = {each for each in staged if each[:2] not in gone}
    new = [file for file in files if (file.source, file.batch_id, _as_listed(file.path)) not in kept]
    for path in _in_few_calls(new):
        source_table = "parquet.`" + spark_url(path).replace("`", "``") + "`"
        statements.run(
            f"call {catalog}.system.add_files(table => {literal(table)}, source_table => {literal(source_table)})"
        )


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
    if found[: len(columns)] != columns:  # made for an older contract
        statements.run(f"drop table {catalog}.{table}")
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
