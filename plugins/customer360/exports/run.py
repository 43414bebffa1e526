"""The files of one publication: written aside, checked against the database, then shown at once by a rename.

A folder holds a file per table and format and `manifest.json`; `latest` points at the folder of what is served.
Which publication was written last is kept in `ops.export`: the asset event that wakes the DAG may be lost or come
twice.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from customer360.exports.cells import csv_text
from customer360.exports.writers import READERS, CsvWriter, ParquetWriter, Refused, Writer, XlsxWriter
from customer360.marketing.contract import Table
from customer360.marketing.reading import Figures, Filter, Snapshot, snapshot
from customer360.postgres import connect
from customer360.settings import Settings
from customer360.sources import load_sources

FORMATS = ("csv", "parquet", "xlsx")
MANIFEST = "manifest.json"
_LEFTOVER_S = 86_400


class ExportError(ValueError):
    """Files that do not hold what the database holds, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the folder, and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def refused(self) -> list[str]:
        """What no file holds, and why."""
        return [each["reason"] for each in self.manifest["refused"]]


def export_night(settings: Settings) -> Export:
    """The files of what is served, written unless they are there already; `latest` then points at them.

    Raises NothingPublished, and ExportError for a database that is not as its contracts say, or a file that
    does not hold what it should.
    """
    with snapshot(settings, "c360 export") as data, _alone(settings):
        if lines := data.drift():
            raise ExportError("schema marketing is not what its contracts say: " + "; ".join(lines))
        night = data.facts.as_of.astimezone(
            load_sources(settings.sources, check_connectors=False, read_own=False).timezone
        )
        folder = settings.exports / f"{night:%Y-%m-%d}_publication-{data.facts.publication_id}"
        manifest = _written(folder, data)
        if manifest is None:
            manifest = _write(data, folder, FORMATS, list(data.tables.values()), ())
        _point(settings.exports / "latest", folder)
    _record(settings, folder, manifest)
    return Export(folder, manifest)


def export_by_hand(
    settings: Settings, folder: Path, names: Sequence[str], formats: Sequence[str], filters: Sequence[Filter]
) -> Export:
    """The same files into a new folder, of some tables and of the rows that `filters` let through.

    Raises ExportError for a folder that exists and for names that do not.
    """
    if folder.exists():
        raise ExportError(f"{folder} exists; name a folder that does not")
    with snapshot(settings, "c360 export") as data:
        unknown = sorted(set(names) - set(data.tables))
        strange = sorted(set(formats) - set(FORMATS))
        if unknown or strange:
            known = data.tables if unknown else FORMATS
            raise ExportError(f"unknown: {', '.join(unknown or strange)}; known: {', '.join(known)}")
        tables = [data.tables[name] for name in names or data.tables]
        return Export(folder, _write(data, folder, formats or FORMATS, tables, filters))


def is_due(settings: Settings) -> bool:
    """Whether what is served has not been written yet."""
    with connect(settings, application_name="c360 export") as connection, connection.cursor() as cursor:
        cursor.execute(
            "select exists (select 1 from ops.publication_pointer at left join ops.export e using (publication_id)"
            " where at.publication_id > 0 and e.publication_id is null)"
        )
        return bool((cursor.fetchone() or (False,))[0])


def prune(settings: Settings, before: datetime) -> int:
    """Remove folders of nights before `before`, but for what `latest` points at, and what a killed export left."""
    root = settings.exports
    if not root.is_dir():
        return 0
    latest = (root / "latest").resolve()
    removed = 0
    for folder in sorted(root.iterdir()):
        if folder.is_symlink() or not folder.is_dir() or folder.resolve() == latest:
            continue
        manifest = _manifest(folder)
        is_old = manifest is not None and datetime.fromisoformat(manifest["as_of"]) < before
        is_left = folder.name.startswith(".") and folder.stat().st_mtime < time.time() - _LEFTOVER_S
        if is_old or is_left:
            shutil.rmtree(folder)
            removed += 1
    return removed


# Writing -----------------------------------------------------------------------------------------


def _write(
    data: Snapshot, folder: Path, formats: Sequence[str], tables: Sequence[Table], filters: Sequence[Filter]
) -> dict[str, Any]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp"
    aside.mkdir()
    try:
        files: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        totals = {}
        for table in tables:
            totals[table.name] = _write_table(data, aside, formats, table, filters, files, refused)
        manifest = _manifest_of(data, tables, filters, totals, files, refused)
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", "utf-8")
        if folder.exists():  # of another database, or damaged
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _write_table(
    data: Snapshot,
    aside: Path,
    formats: Sequence[str],
    table: Table,
    filters: Sequence[Filter],
    files: list[dict[str, Any]],
    refused: list[dict[str, Any]],
) -> Figures:
    """One table in every format that can hold it, from one reading of the rows; what the database counts."""
    figures = data.figures(table, filters)
    writers: dict[str, Writer] = {}

    def refuse(kind: str, why: Refused) -> None:
        refused.append({"table": table.name, "format": kind, "rows": figures.rows, "reason": str(why)})

    for kind in formats:
        try:
            writers[kind] = _open(kind, aside / f"{table.name}.{kind}", table, data, figures, filters)
        except Refused as why:
            refuse(kind, why)
    with ExitStack() as open_files:
        for writer in writers.values():
            open_files.enter_context(closing(writer))
        for rows in data.batches(table, filters):
            for kind in list(writers):
                try:
                    writers[kind].write(rows)
                except Refused as why:
                    writers.pop(kind)
                    refuse(kind, why)
    for kind in set(formats) - set(writers):
        (aside / f"{table.name}.{kind}").unlink(missing_ok=True)
    for kind, writer in writers.items():
        path = aside / f"{table.name}.{kind}"
        _check(path, table, kind, figures)
        files.append(
            {
                "path": path.name,
                "table": table.name,
                "format": kind,
                "rows": figures.rows,
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
                "escaped_cells": writer.escaped,
            }
        )
    return figures


def _open(kind: str, path: Path, table: Table, data: Snapshot, figures: Figures, filters: Sequence[Filter]) -> Writer:
    if kind == "csv":
        return CsvWriter(path, table)
    if kind == "parquet":
        return ParquetWriter(path, table)
    return XlsxWriter(path, table, cover(table, data, figures, filters), figures.rows)


def cover(table: Table, data: Snapshot, figures: Figures, filters: Sequence[Filter]) -> list[tuple[str, object]]:
    """What a person must know before reading the rows, as pairs of label and value."""
    facts = data.facts
    warned = f", {facts.tests_warned} only warned" if facts.tests_warned else ""
    return [
        ("Table", f"{table.name}, version {table.version}"),
        ("What a row is", table.description),
        ("As of (UTC)", facts.as_of),
        ("Publication", facts.publication_id),
        ("Published (UTC)", facts.published_at),
        ("Filters", "; ".join(map(str, filters)) or "none: every row"),
        ("Rows", figures.rows),
        *((f"Total of {name}", total) for name, total in figures.sums.items()),
        ("Tests of the data", f"{facts.tests_passed} passed{warned}; gate: {facts.gate}"),
        ("Checked", "Row count and totals were read back from this file and equal the database's"),
        ("Texts", "A text that a spreadsheet would compute begins with an apostrophe"),
    ]


def _check(path: Path, table: Table, kind: str, figures: Figures) -> None:
    """Read the file back. Raises ExportError if it does not hold what the database holds."""
    found = READERS[kind](path, table)
    if found != figures:
        raise ExportError(
            f"{path.name} holds {found.rows} rows with sums {_told(found)}, the database {figures.rows} with"
            f" {_told(figures)}"
        )


# The manifest ------------------------------------------------------------------------------------


def _manifest_of(
    data: Snapshot,
    tables: Sequence[Table],
    filters: Sequence[Filter],
    totals: dict[str, Figures],
    files: list[dict[str, Any]],
    refused: list[dict[str, Any]],
) -> dict[str, Any]:
    facts = data.facts
    return {
        "publication_id": facts.publication_id,
        "as_of": facts.as_of.isoformat(),
        "published_at": facts.published_at.isoformat(),
        "gate": facts.gate,
        "tests": {"passed": facts.tests_passed, "warned": facts.tests_warned},
        "filters": [{"column": each.column, "value": each.value} for each in filters],
        "tables": {
            table.name: {
                "version": table.version,
                "description": table.description,
                "rows": totals[table.name].rows,
                "sums": _told(totals[table.name]),
                "columns": [
                    {"name": each.name, "type": each.data_type, "description": each.description}
                    for each in table.columns
                ],
            }
            for table in tables
        },
        "files": files,
        "refused": refused,
    }


def _told(figures: Figures) -> dict[str, str | None]:
    """Sums as text: JSON's numbers would round them."""
    return {name: csv_text(total) if isinstance(total, Decimal) else None for name, total in figures.sums.items()}


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def _written(folder: Path, data: Snapshot) -> dict[str, Any] | None:
    """The folder's manifest if it is of this very publication and every file is as it was written."""
    manifest = _manifest(folder)
    if manifest is None or manifest["published_at"] != data.facts.published_at.isoformat():
        return None
    versions = {name: table.version for name, table in data.tables.items()}
    if {name: each["version"] for name, each in manifest["tables"].items()} != versions:
        return None
    for each in manifest["files"]:
        path = folder / each["path"]
        if not path.is_file() or _sha256(path) != each["sha256"]:
            return None
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Shown and remembered ----------------------------------------------------------------------------


def _point(link: Path, folder: Path) -> None:
    """Make `link` point at `folder`, without a moment in which it points nowhere."""
    made = link.with_name(f".{link.name}.{uuid.uuid4().hex[:8]}")
    made.symlink_to(folder.name, target_is_directory=True)
    made.replace(link)


def _record(settings: Settings, folder: Path, manifest: dict[str, Any]) -> None:
    with connect(settings, application_name="c360 export") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.export (publication_id, folder, files, rows, refused) values (%s, %s, %s, %s, %s)"
            " on conflict (publication_id) do update set folder = excluded.folder, files = excluded.files,"
            " rows = excluded.rows, refused = excluded.refused, written_at = clock_timestamp()",
            (
                manifest["publication_id"],
                folder.name,
                len(manifest["files"]),
                sum(each["rows"] for each in manifest["tables"].values()),
                json.dumps(manifest["refused"]),
            ),
        )
        connection.commit()


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Nobody else writes the night's files meanwhile, on whatever machine. Raises ExportError if somebody does."""
    with connect(settings, application_name="c360 export lock") as connection, connection.cursor() as cursor:
        connection.autocommit = True  # no transaction stays open; the lock goes with the session
        cursor.execute("select pg_try_advisory_lock(hashtext('c360 marketing export'))")
        if cursor.fetchone() != (True,):
            raise ExportError("another export is being written; try again when it is done")
        yield
