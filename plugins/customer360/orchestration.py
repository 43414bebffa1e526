"""What the DAG files share: default arguments, pools, timetables, and which night a run is for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import CronDataIntervalTimetable, Param

from customer360.pools import ENGINE_POOL, INGEST_POOL
from customer360.settings import Settings
from customer360.sources import SourcesConfig, load_sources
from customer360.times import parse_as_of

__all__ = ["DAG_ARGS", "DEFAULT_ARGS", "ENGINE_POOL", "INGEST_POOL", "PUBLICATION_ASSET"]

OWNER = "data-engineering"
PUBLICATION_ASSET = "customer_360_publication"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=20),
    "execution_timeout": timedelta(hours=1),
}

AS_OF = Param(
    None,
    type=["null", "string"],
    title="as_of",
    description="Night to run for: 2026-03-01 (its first instant in the company's time zone) or an ISO 8601 "
    "instant with offset. Empty: the end of the run's data interval.",
)

DAG_ARGS: dict[str, Any] = {
    "start_date": datetime(2024, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "params": {"as_of": AS_OF},
}


def page(text: str) -> str:
    """A DAG's own page in Airflow: what it does, and where the costs of its runs are told."""
    report = os.environ.get("C360_REPORTS_URL")
    costs = f"the [report]({report}/#costs)" if report else "`c360 runs`"
    return f"{text}\n\nWhat each step of a run cost: {costs}."


def configuration() -> SourcesConfig:
    """sources.yml as the DAG files need it: checked, but without loading any connector."""
    return load_sources(Settings.from_env().sources, check_connectors=False, read_own=False)


def timetable(cron: str, zone: ZoneInfo) -> CronDataIntervalTimetable:
    """A timetable whose runs have an interval that is not empty."""
    return CronDataIntervalTimetable(cron, timezone=zone.key)


def as_of(context: Mapping[str, Any], zone: ZoneInfo) -> datetime:
    """The night of this run, UTC: its `as_of` parameter, else its interval's end, else its run_after."""
    given = (context.get("params") or {}).get("as_of")
    if given:
        return parse_as_of(given, zone)
    run = context["dag_run"]
    end: datetime = context.get("data_interval_end") or run.data_interval_end or run.run_after
    return end.astimezone(UTC)
