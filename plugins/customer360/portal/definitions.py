"""Every table and column in words, and the files of the night to take along."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from customer360.exports.run import MANIFEST
from customer360.marketing.contract import Table
from customer360.portal.build import Site
from customer360.portal.parts import section
from customer360.portal.words import number, plural, readable

_KINDS = {"csv": "CSV", "parquet": "Parquet", "xlsx": "XLSX"}


def write(site: Site) -> None:
    """`definitions.html`: the words of the contracts."""
    tables = [site.data.tables[name] for name in sorted(site.data.tables)]
    site.page(
        "definitions.html",
        "tables.html",
        "definitions.html",
        title="What every column means",
        lead="The same words stand in dbt's documentation, as comments in the database, on the second sheet of each"
        " workbook and behind the dotted lines of these pages.",
        parts=[_words(table) for table in tables],
    )


def _words(table: Table) -> dict[str, Any]:
    words = [
        (column.name, column.description, [(value, text) for name, value, text in table.values if name == column.name])
        for column in table.columns
    ]
    key = ", ".join(table.key)
    return section(
        title=f"{readable(table.name).capitalize()} (marketing.{table.name}, version {table.version})",
        note=f"{table.description} A row is told by {key}.",
        words=words,
    )


def write_files(site: Site, folder: Path) -> None:
    """`files.html`: the files of this publication in `folder`, copied beside the pages."""
    manifest = _manifest(folder)
    parts = []
    if manifest and manifest["publication_id"] == site.data.facts.publication_id:
        target = site.folder / "files"
        shutil.copytree(folder.resolve(), target)
        parts = [_files(name, manifest) for name in sorted(manifest["tables"])]
        parts += [_refused(each) for each in manifest["refused"]]
    site.page(
        "files.html",
        "files.html",
        "files.html",
        title="The night's files",
        lead="Every table as CSV, Parquet and XLSX. Row counts and totals of each file were read back and equal the"
        " database's; nothing in them is computed by a spreadsheet, and nothing is cut off.",
        tables=parts,
        manifest=f"files/{MANIFEST}" if parts else "",
    )


def _manifest(folder: Path) -> dict[str, Any] | None:
    path = folder / MANIFEST
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _files(name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    table = manifest["tables"][name]
    return {
        "title": readable(name).capitalize(),
        "text": table["description"],
        "rows": plural(table["rows"], "row", "rows"),
        "files": [
            {"link": f"files/{each['path']}", "kind": _KINDS[each["format"]], "size": _size(each["bytes"])}
            for each in manifest["files"]
            if each["table"] == name
        ],
    }


def _refused(each: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"{readable(each['table']).capitalize()}: no {_KINDS[each['format']]}",
        "text": each["reason"],
        "rows": plural(each["rows"], "row", "rows"),
        "files": [],
    }


def _size(count: int) -> str:
    return f"{number(max(count // 1024, 1))} KB"
