"""Suites run by Great Expectations on a DataFrame or on Postgres, with Data Docs of what was found.

The context is built from our own suite files on every use; what it leaves on disk (results, Data
Docs) lies under `<local>/quality` and holds figures only, never values of a record. Importing this
module costs seconds: only tasks that gate import it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from customer360.quality.gate import Failure, GateResult
from customer360.quality.paths import one_at_a_time, results
from customer360.quality.suites import Expectation, Suite, SuiteError

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)
# Its import logs hundreds of lines through structlog's root, whatever the level of its logger.
structlog.configure_once(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

import great_expectations as gx  # noqa: E402  (after its loggers are quiet)
from great_expectations.data_context.types.base import (  # noqa: E402
    DataContextConfig,
    FilesystemStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

# Counts and shares only: no example values, no row indexes.
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}
_URL_VARIABLE = "C360_GX_URL"
_FIGURES = ("observed_value", "unexpected_percent", "unexpected_count")
_LIMITS = ("mostly", "min_value", "max_value", "value", "value_set", "regex", "column_set", "column_list")


@dataclass(frozen=True, slots=True)
class Table:
    """What a suite's table is here: a DataFrame, `schema.name` on Postgres, or the rows of `query` there.

    `judged_by`: the expectations that look at it, if not all of the suite's; `part` then names it in Data Docs.
    """

    name: str
    frame: Any = None
    schema: str | None = None
    query: str | None = None
    judged_by: tuple[Expectation, ...] | None = None
    part: str = ""


def run_suite(
    suite: Suite, tables: list[Table], local: Path, label: str, at: datetime, url: str | None = None
) -> GateResult:
    """Run `suite` on the tables it names; `label` and `at` name the run in Data Docs.

    A table of `tables` the suite does not mention is not looked at. Raises SuiteError when an
    expectation cannot be evaluated at all: a gate that could not look has not passed.
    """
    root = results(local)
    root.mkdir(parents=True, exist_ok=True)
    evaluated = 0
    failures: list[Failure] = []
    with one_at_a_time(root):
        context = _context(root)
        for table in tables:
            expectations = suite.tables.get(table.name, ()) if table.judged_by is None else table.judged_by
            if not expectations:
                continue
            with _connection_url(url), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = _validate(context, suite, table, expectations, label, at)
            evaluated += len(result.results)
            failures += [_failure(suite, table, each) for each in result.results if not each.success]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.build_data_docs(resource_identifiers=_pages(context, suite, label, at))
    return GateResult(evaluated, tuple(failures))


def _context(root: Path) -> Any:
    return gx.get_context(
        project_config=DataContextConfig(
            store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(root)),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        )
    )


def _pages(context: Any, suite: Suite, label: str, at: datetime) -> list[Any]:
    """What of Data Docs this run has changed: rendering every page again would take longer each night."""
    prefix = f"{suite.name}/".replace("/", ".")
    found = context.validation_results_store.list_keys()
    return [
        *(key for key in found if (key.run_id.run_name, key.run_id.run_time) == (label, at)),
        *(key for key in context.expectations_store.list_keys() if key.name.startswith(prefix)),
    ]


def _validate(
    context: Any, suite: Suite, table: Table, expectations: tuple[Expectation, ...], label: str, at: datetime
) -> Any:
    name = " ".join(filter(None, (f"{suite.name}/{table.name}".replace("/", "."), table.part)))
    built = gx.ExpectationSuite(name=name, expectations=[_build(suite, table, each) for each in expectations])
    built = context.suites.add_or_update(built)
    batch, parameters = _batch(context, table, label)
    # Named for its data too: GX reads back a definition of the same name, whose data must be known here.
    definition = gx.ValidationDefinition(name=f"{name} {label}", data=batch, suite=built)
    context.validation_definitions.add_or_update(definition)
    result = definition.run(
        batch_parameters=parameters,
        result_format=_RESULT_FORMAT,
        run_id=gx.RunIdentifier(run_name=label, run_time=at),
    )
    for each in result.results:
        if each.exception_info and _raised(each.exception_info):
            raise SuiteError(f"{name}: {each.expectation_config.type} could not be evaluated")
    return result


def _raised(info: dict[str, Any]) -> bool:
    entries = [info] if "raised_exception" in info else list(info.values())
    return any(entry.get("raised_exception") for entry in entries)


def _build(suite: Suite, table: Table, expectation: Expectation) -> Any:
    try:
        kind = get_expectation_impl(expectation.name)
        return kind(**expectation.arguments, severity=expectation.severity)
    except (gx.exceptions.ExpectationNotFoundError, ValueError, TypeError) as error:
        raise SuiteError(f"{suite.name}: {table.name}: {expectation.name}: {type(error).__name__}") from error


def _batch(context: Any, table: Table, label: str) -> tuple[Any, dict[str, Any] | None]:
    if table.frame is not None:
        source = context.data_sources.add_or_update_pandas("lake")
        asset = source.add_dataframe_asset(f"{label}.{table.name}")
        return asset.add_batch_definition_whole_dataframe("all"), {"dataframe": table.frame}
    source = context.data_sources.add_or_update_postgres("serving", connection_string=f"${{{_URL_VARIABLE}}}")
    if table.query is not None:
        return source.add_query_asset(f"{table.name} {table.part}", query=table.query).add_batch_definition("all"), None
    asset = source.add_table_asset(table.name, table_name=table.name, schema_name=table.schema)
    return asset.add_batch_definition_whole_table("all"), None


@contextlib.contextmanager
def _connection_url(url: str | None) -> Iterator[None]:
    """Lend the URL to the substitution variable: it never enters a file."""
    if url is None:
        yield
        return
    os.environ[_URL_VARIABLE] = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    try:
        yield
    finally:
        del os.environ[_URL_VARIABLE]


def _failure(suite: Suite, table: Table, result: Any) -> Failure:
    config = result.expectation_config
    observed = next(
        (f"{key} {_figure(result.result[key])}" for key in _FIGURES if result.result.get(key) is not None),
        None,
    )
    limits = [f"{key} {config.kwargs[key]}" for key in _LIMITS if config.kwargs.get(key) is not None]
    severity = getattr(config, "severity", None)
    return Failure(
        suite=suite.name,
        table=table.name,
        expectation=config.kwargs.get("description") or config.description or config.type,
        severity=str(getattr(severity, "value", severity) or "critical"),
        column=config.kwargs.get("column"),
        observed=observed,
        limit=", ".join(limits) or None,
    )


def _figure(value: object) -> str:
    if isinstance(value, list | tuple | set | dict | str):
        return f"of {len(value)} values" if not isinstance(value, str) else "a text"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
