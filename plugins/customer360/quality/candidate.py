"""The publication gate: the candidate, in Postgres, against every suite of `expectations/marts/`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from customer360.quality.gate import Failure, GateResult
from customer360.quality.suites import SuiteError, load_suites

if TYPE_CHECKING:
    from customer360.settings import Settings

SCHEMA = "candidate"


def audit(settings: Settings, url: str, marts: Collection[str], as_of: datetime) -> GateResult:
    """Judge the loaded candidate. Raises SuiteError for a suite on a mart that is not published."""
    from customer360.quality.great_expectations import Table, run_suite

    evaluated = 0
    failures: list[Failure] = []
    for suite in load_suites(settings.home / "expectations", "marts"):
        unknown = sorted(set(suite.tables) - set(marts))
        if unknown:
            raise SuiteError(f"{suite.name}: no published mart is called {', '.join(unknown)}")
        tables = [Table(name, schema=SCHEMA) for name in suite.tables]
        result = run_suite(suite, tables, settings.local, "publication candidate", as_of, url)
        evaluated += result.evaluated
        failures += result.failures
    return GateResult(evaluated, tuple(failures))
