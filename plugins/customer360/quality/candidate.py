"""The publication gate: the candidate, in Postgres, against every suite of `expectations/marts/`.

Where the rows that are served passed the same suites, those that did not change pass them again: then only changed rows
are judged, and with them the rows that an expectation judges together with them. Shares and totals are always taken of
whole tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from customer360.quality.gate import Failure, GateResult
from customer360.quality.suites import Expectation, Suite, SuiteError, load_suites, mark

if TYPE_CHECKING:
    from customer360.quality.great_expectations import Table
    from customer360.settings import Settings

SCHEMA = "candidate"
_FOLDER = "marts"


def suites_mark(settings: Settings) -> str:
    """Names the suites that judge a candidate."""
    return mark(settings.home / "expectations", _FOLDER)


def audit(
    settings: Settings, url: str, marts: Collection[str], as_of: datetime, publication_id: int | None = None
) -> GateResult:
    """Judge the loaded candidate; with `publication_id`, its own, only what it changes.

    Raises SuiteError for a suite on a mart that is not published.
    """
    from customer360.quality.great_expectations import run_suite

    evaluated = 0
    failures: list[Failure] = []
    for suite in load_suites(settings.home / "expectations", _FOLDER):
        unknown = sorted(set(suite.tables) - set(marts))
        if unknown:
            raise SuiteError(f"{suite.name}: no published mart is called {', '.join(unknown)}")
        tables = list(_tables(suite, publication_id))
        result = run_suite(suite, tables, settings.local, "publication candidate", as_of, url)
        evaluated += result.evaluated
        failures += result.failures
    return GateResult(evaluated, tuple(failures))


def _tables(suite: Suite, publication_id: int | None) -> Iterator[Table]:
    from customer360.quality.great_expectations import Table

    for name, expectations in suite.tables.items():
        if publication_id is None:
            yield Table(name, schema=SCHEMA)
            continue
        by_scope: dict[tuple[str, ...] | None, list[Expectation]] = {}
        for each in expectations:
            by_scope.setdefault(each.scope, []).append(each)
        for scope, judges in by_scope.items():
            yield _part(name, scope, tuple(judges), publication_id)


def _part(name: str, scope: tuple[str, ...] | None, judges: tuple[Expectation, ...], publication_id: int) -> Table:
    """The rows of a mart that `judges` look at: all, or those that the publication changes and what belongs to them."""
    from customer360.quality.great_expectations import Table

    if scope is None:
        return Table(name, schema=SCHEMA, judged_by=judges)
    if not scope:
        query = f'select * from store."{name}" where valid_from = {publication_id}'
        return Table(name, query=query, judged_by=judges, part="changed rows")
    columns = ", ".join(f'"{column}"' for column in scope)
    changed = f'select {columns} from store."{name}" where valid_from = {publication_id} or valid_to = {publication_id}'
    query = f'select * from {SCHEMA}."{name}" where ({columns}) in ({changed})'
    return Table(name, query=query, judged_by=judges, part=f"changed by {', '.join(scope)}")
