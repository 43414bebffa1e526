"""The contracts of marketing's tables: read from dbt's manifest, where models, versions and words are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, UndefinedError

from customer360.publish.marts import Column, MartError, columns_of

PREFIX = "marketing__"
_REF = re.compile(r"\{\{\s*ref\('(\w+)'\)\s*\}\}")
# What a query may use beside `ref`: macros of ours that are the same for every row, as PostgreSQL says them.
_MACROS = ("regexp_like", "is_withheld", "unless_withheld")


@dataclass(frozen=True, slots=True)
class Table:
    """One version of one table. `key` names the columns that make a row unique, and orders what is read.

    `query` is the model's SQL with `{{ ref('mart') }}` where a published mart stands.
    """

    name: str
    version: int
    is_latest: bool
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    query: str
    values: tuple[tuple[str, str, str], ...] = ()  # column, value, what it means

    @property
    def views(self) -> tuple[str, ...]:
        """The names under which the database shows it."""
        pinned = f"{self.name}_v{self.version}"
        return (self.name, pinned) if self.is_latest else (pinned,)

    @property
    def marts(self) -> tuple[str, ...]:
        """The published marts it is made of."""
        return tuple(sorted(set(_REF.findall(self.query))))

    def rendered(self, relations: dict[str, str]) -> str:
        """Its SQL over `relations` {mart: a table expression}."""
        return _REF.sub(lambda match: relations[match[1]], self.query)

    def as_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Table:
        columns = tuple(Column(**each) for each in found["columns"])
        values = tuple((column, value, meaning) for column, value, meaning in found.get("values", ()))
        return cls(**{**found, "key": tuple(found["key"]), "columns": columns, "values": values})

    def meaning(self, column: str, value: str | None = None) -> str:
        """What a column, or one value of it, means; nothing where nobody said."""
        if value is None:
            return next((each.description for each in self.columns if each.name == column), "")
        return next((text for name, known, text in self.values if (name, known) == (column, value)), "")


def marketing_tables(manifest: Path) -> list[Table]:
    """Every version of every table, by name and version. Raises MartError for a model that is no contract."""
    found = json.loads(manifest.read_text("utf-8"))
    nodes = found["nodes"].values()
    published = {node["name"] for node in nodes if node["config"].get("meta", {}).get("published")}
    models = [node for node in nodes if node["resource_type"] == "model" and node["name"].startswith(PREFIX)]
    macros = {macro["name"]: macro["macro_sql"] for macro in found["macros"].values()}
    return sorted((_table(node, published, macros) for node in models), key=lambda table: (table.name, table.version))


def _table(node: dict[str, Any], published: set[str], macros: Mapping[str, str]) -> Table:
    name = node["name"].removeprefix(PREFIX)
    if node["version"] is None or not node["config"]["contract"]["enforced"]:
        raise MartError(f"{node['name']}: a table that leaves the house needs a version and an enforced contract")
    columns = columns_of(node)
    undescribed = [column.name for column in columns if not column.description.strip()]
    key = tuple(node["config"]["meta"].get("key", ()))
    missing = sorted(set(key) - {column.name for column in columns})
    if not key or missing or undescribed:
        raise MartError(f"{node['name']}: needs meta.key and a description of {missing or undescribed or 'its key'}")
    description = node["description"]
    if node.get("deprecation_date"):
        description += f" Deprecated: goes on {str(node['deprecation_date'])[:10]}."
    is_latest = node["version"] == node["latest_version"]
    values = tuple(
        (column["name"], str(value), meaning)
        for column in node["columns"].values()
        for value, meaning in (column["config"].get("meta", {}).get("values") or {}).items()
    )
    query = _expanded(node["name"], node["raw_code"].strip(), macros)
    table = Table(name, int(node["version"]), is_latest, description, key, columns, query, values)
    strange = sorted(set(table.marts) - published)
    if strange or "{{" in _REF.sub("", table.query):
        raise MartError(f"{node['name']}: may only refer to published marts: {strange}")
    return table


def _expanded(name: str, query: str, macros: Mapping[str, str]) -> str:
    """The query with _MACROS in their words for PostgreSQL, where it is asked. Raises MartError for anything else."""
    if "{%" in query:
        raise MartError(f"{name}: a query that leaves the house holds no statements of Jinja")
    engine = Environment(undefined=StrictUndefined)  # noqa: S701  (SQL, no page)
    dispatched = engine.from_string("".join(macros.get(f"default__{each}", "") for each in _MACROS)).module
    given = {"dispatch": lambda macro: getattr(dispatched, f"default__{macro}")}
    told = "".join(macros.get(each, "") for each in _MACROS)
    try:
        return engine.from_string(told + query).render(
            {"adapter": given, "return": str, "ref": lambda mart: f"{{{{ ref('{mart}') }}}}"}
        )
    except UndefinedError as error:
        raise MartError(f"{name}: may use no other macro than {', '.join(_MACROS)}: {error}") from error
