"""Which marts are published, and their shape: read from dbt's manifest, where the contracts are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


class MartError(ValueError):
    """A published mart without what publication needs: a key, columns with types."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    data_type: str  # PostgreSQL's
    description: str


@dataclass(frozen=True, slots=True)
class Mart:
    """A published mart. `key` names the columns that make a row unique; `history`: its past is served, too.

    `is_appended`: its rows are made when a night is published, of what changed in the others; the engine's are none.
    """

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    history: bool = False
    is_appended: bool = False


_TYPES = {"double": "double precision", "float": "double precision", "string": "text", "varchar": "text"}


def published_marts(manifest: Path) -> list[Mart]:
    """Models with `meta.published`, by name. Raises MartError for one without key or column types."""
    nodes = json.loads(manifest.read_text("utf-8"))["nodes"].values()
    marts = [
        _mart(node)
        for node in nodes
        if node["resource_type"] == "model" and node["config"].get("meta", {}).get("published")
    ]
    return sorted(marts, key=lambda mart: mart.name)


def columns_of(node: dict) -> tuple[Column, ...]:  # type: ignore[type-arg]  # dbt's JSON
    """The columns of a model's contract that have a type, in PostgreSQL's types."""
    return tuple(
        Column(each["name"], _TYPES.get(str(each["data_type"]).lower(), str(each["data_type"])), each["description"])
        for each in node["columns"].values()
        if each.get("data_type")
    )


def _mart(node: dict) -> Mart:  # type: ignore[type-arg]  # dbt's JSON
    columns = columns_of(node)
    key = tuple(node["config"]["meta"].get("key", ()))
    missing = sorted(set(key) - {column.name for column in columns})
    if not key or missing or len(columns) != len(node["columns"]):
        raise MartError(f"{node['name']}: needs meta.key and a data_type on every column; unknown: {missing}")
    meta = node["config"]["meta"]
    kinds = (bool(meta.get("history")), bool(meta.get("appended")))
    return Mart(node["name"], node["description"], key, columns, *kinds)
