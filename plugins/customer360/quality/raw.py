"""The raw gate: one delivery's tables against the suite its source names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from customer360.quality.gate import GateResult
from customer360.quality.suites import load_suite

if TYPE_CHECKING:
    import pyarrow as pa

    from customer360.settings import Settings
    from customer360.sources import Source


def raw_gate(settings: Settings, as_of: datetime) -> Callable[[Source, Mapping[str, pa.Table]], GateResult]:
    """The gate that `ingest.load` calls before it commits a delivery."""

    def check(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        if source.expectations is None:
            return GateResult(0)
        from customer360.quality.great_expectations import Table, run_suite

        suite = load_suite(settings.home / "expectations", source.expectations)
        frames = [
            Table(name, frame=tables[name].to_pandas(types_mapper=None))
            for name in suite.tables
            if name in tables and tables[name].num_rows
        ]
        if not frames:
            return GateResult(0)
        return run_suite(suite, frames, settings.local, f"raw {source.name}", as_of)

    return check
