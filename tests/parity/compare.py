"""What every engine must agree on: each mart as a bag of rows, numerics exact."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from customer360.dbt_runner import manifest_path
from customer360.engines import Engine
from customer360.engines.base import EngineError
from customer360.publish.marts import published_marts

MARTS = (
    "account",
    "account_member",
    "attribution_conversions",
    "attribution_credit",
    "attribution_markov",
    "attribution_non_touches",
    "attribution_origins",
    "attribution_payback",
    "attribution_returns",
    "attribution_sensitivity",
    "attribution_summary",
    "attribution_touches",
    "customer_360",
    "customer_alias",
    "customer_field_provenance",
    "customer_identity_map",
    "fct_ad_spend",
    "fct_interactions",
    "identity_quality",
    "lifecycle_current",
    "lifecycle_daily",
    "lifecycle_flow",
    "lifecycle_funnel",
    "lifecycle_history",
    "lifecycle_overlays",
    "lifecycle_transitions",
    "marketing_costs",
    "source_agreement",
    "source_coverage",
    "source_quality",
)
Marts = Mapping[str, pa.Table]
Rows = Counter[tuple[object, ...]]


class Compared:
    """Differing rows by (lake, engine, mart), of all that was compared with DuckDB."""

    def __init__(self) -> None:
        self._differing: dict[tuple[str, str, str], int] = {}

    def differing(self, lake: str, engine: str, mart: str, first: pa.Table, second: pa.Table) -> list[str]:
        """Columns in which rows of `second`, the engine's, differ from DuckDB's; notes how many rows do.

        Raises ValueError where there is nothing to compare, or the tables have other columns or types.
        """
        if first.schema.types != second.schema.types or first.column_names != second.column_names:
            raise ValueError(f"{mart}: columns or types differ")
        if not first.num_rows:
            raise ValueError(f"{mart} is empty: nothing was compared")
        one, other = _rows(first), _rows(second)
        self._differing[lake, engine, mart] = ((one - other) + (other - one)).total()
        return _differing_columns(one - other, other - one, first.column_names)

    def summary(self) -> dict[str, object]:
        lakes, engines, marts = ({key[place] for key in self._differing} for place in range(3))
        return {
            "engines": ["duckdb", *sorted(engines)],
            "lakes": sorted(lakes),
            "marts": len(marts),
            "differing_rows": sum(self._differing.values()),
        }


class MartsByEngine(ABC):
    """Every published mart of an engine, built when first asked for; what failed once fails again untried."""

    def __init__(self) -> None:
        self._found: dict[str, Marts | EngineError] = {}

    def __getitem__(self, engine: str) -> Marts:
        if engine not in self._found:
            try:
                self._found[engine] = self.build(engine)
            except EngineError as error:
                self._found[engine] = error
        found = self._found[engine]
        if isinstance(found, EngineError):
            raise found
        return found

    @abstractmethod
    def build(self, engine: str) -> Marts:
        """The marts of one engine, with all their dbt tests."""


def read_marts(engine: Engine) -> Marts:
    """Every published mart of the engine."""
    return {
        mart.name: engine.read(f"select * from {engine.qualify('marts', mart.name)}")
        for mart in published_marts(manifest_path(engine.settings))
        if not mart.is_appended  # made at publication, the same for every engine
    }


def _rows(table: pa.Table) -> Rows:
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _differing_columns(one: Rows, other: Rows, names: list[str]) -> list[str]:
    """Columns whose values, as a bag, are not the same: where to look first. All, if rows differ and no bag does."""

    def bag(rows: Rows, place: int) -> Counter[object]:
        return Counter(row[place] for row in rows.elements())

    found = [name for place, name in enumerate(names) if bag(one, place) != bag(other, place)]
    return found or (names if one or other else [])
