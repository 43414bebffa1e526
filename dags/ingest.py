"""`ingest_<source>`: one DAG per source of `sources.yml`, mapped over the files it finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, dag, get_current_context, task

from customer360 import orchestration as night
from customer360.sources import Source

CONFIG = night.configuration()


def build(source: Source) -> DAG:
    """The DAG of one source."""

    @dag(
        dag_id=f"ingest_{source.name}",
        schedule=night.timetable(source.schedule, CONFIG.timezone) if source.schedule else None,
        **night.DAG_ARGS,
        dagrun_timeout=timedelta(hours=4),
        default_args=night.DEFAULT_ARGS,
        tags=["ingest", source.connector],
        doc_md=f"Reads `{source.location}` with connector `{source.connector}` into the lake. A file already "
        "loaded adds nothing; what each file gave is shown by `c360 ledger`.",
    )
    def ingest() -> None:
        @task(execution_timeout=timedelta(minutes=10))
        def discover(**context: Any) -> list[dict[str, Any]]:
            from customer360.nightly import discover as find

            return find(source.name, night.as_of(context, CONFIG.timezone))

        @task(pool=night.INGEST_POOL, map_index_template="{{ delivery_name }}")
        def load(delivery: dict[str, Any], **context: Any) -> dict[str, Any]:
            from customer360.nightly import load as read

            get_current_context()["delivery_name"] = delivery["path"]
            return read(source.name, delivery, night.as_of(context, CONFIG.timezone))

        @task(outlets=[Asset(f"lake_{source.name}")], trigger_rule="none_failed")
        def account(**context: Any) -> dict[str, int]:
            from customer360.nightly import account as total

            return total(source.name, night.as_of(context, CONFIG.timezone))

        load.expand(delivery=discover()) >> account()

    return ingest()


for each in CONFIG.sources.values():
    globals()[f"ingest_{each.name}"] = build(each)
