"""`maintenance`: what keeps the house small: expired batches, old publications, snapshots and reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from customer360 import nightly
from customer360 import orchestration as night

CONFIG = night.configuration()


@dag(
    schedule=night.timetable("30 5 * * 0", CONFIG.timezone),
    **night.DAG_ARGS,
    dagrun_timeout=timedelta(hours=4),
    default_args=night.DEFAULT_ARGS,
    tags=["maintenance"],
    doc_md=__doc__,
)
def maintenance() -> None:
    @task
    def expire_batches(**context: Any) -> dict[str, int]:
        return nightly.expire_batches(night.as_of(context, CONFIG.timezone))

    @task(pool=night.ENGINE_POOL)
    def prune_publications() -> dict[str, int]:
        return nightly.prune_publications()

    @task(pool=night.ENGINE_POOL)
    def expire_snapshots() -> dict[str, int]:
        return nightly.expire_snapshots()

    @task
    def prune_reports(**context: Any) -> dict[str, int]:
        return nightly.prune_reports(night.as_of(context, CONFIG.timezone))

    @task
    def check_freshness(**context: Any) -> dict[str, str]:
        return nightly.check_freshness(night.as_of(context, CONFIG.timezone), max_age=timedelta(hours=36))

    expire_batches() >> prune_publications() >> expire_snapshots() >> prune_reports() >> check_freshness()


maintenance()
