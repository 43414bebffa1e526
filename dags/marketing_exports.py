"""`marketing_exports`: after each publication, marketing's tables as files and as pages.

A publication wakes it, and so does the clock, should that event be lost; what was written last is kept in
`ops.export`, so that a run too many writes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, dag, task

from customer360 import nightly
from customer360 import orchestration as night

CONFIG = night.configuration()


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=night.timetable("0 6 * * *", CONFIG.timezone), assets=Asset(night.PUBLICATION_ASSET)
    ),
    **night.DAG_ARGS,
    dagrun_timeout=timedelta(hours=4),
    default_args=night.DEFAULT_ARGS,
    tags=["marketing"],
    doc_md=__doc__,
)
def marketing_exports() -> None:
    @task
    def write_files() -> dict[str, Any]:
        return nightly.export_files()

    @task(trigger_rule="all_done")  # without files the pages are still the night's
    def build_page() -> dict[str, str]:
        return nightly.build_page()

    @task
    def prune_files(**context: Any) -> dict[str, int]:
        return nightly.prune_exports(night.as_of(context, CONFIG.timezone))

    written = write_files()
    written >> build_page()
    written >> prune_files()


marketing_exports()
