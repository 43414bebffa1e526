"""`customer_360`: every batch the ledger knows → one audited, atomically published customer table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, dag, task

from customer360 import nightly
from customer360 import orchestration as night

CONFIG = night.configuration()


@dag(
    schedule=night.timetable("0 3 * * *", CONFIG.timezone),
    **night.DAG_ARGS,
    dagrun_timeout=timedelta(hours=12),
    default_args=night.DEFAULT_ARGS | {"pool": night.ENGINE_POOL},
    tags=["nightly"],
    doc_md=night.page(__doc__),
)
def customer_360() -> None:
    @task
    def begin(**context: Any) -> nightly.Night:
        return nightly.begin(night.as_of(context, CONFIG.timezone), trigger=context["run_id"])

    stage, identify, transform, propose, audit = map(
        task, (nightly.stage, nightly.identify, nightly.transform, nightly.propose, nightly.audit)
    )

    @task.branch
    def decide(judged: nightly.Night) -> str:
        return "approve_warnings" if judged["outcome"] == "warn" else "publish"

    approve = ApprovalOperator(
        task_id="approve_warnings",
        subject="Publish the customer table in spite of warnings?",
        body="{{ ti.xcom_pull(task_ids='audit')['text'] }}",
        response_timeout=timedelta(hours=6),
        fail_on_reject=True,
        retries=0,
        pool="default_pool",
        execution_timeout=None,
    )

    @task(outlets=[Asset(night.PUBLICATION_ASSET)], trigger_rule="none_failed_min_one_success")
    def publish(judged: nightly.Night) -> nightly.Night:
        return nightly.publish(judged)

    judged = audit(propose(transform(identify(stage(begin())))))
    decided, published = decide(judged), publish(judged)
    decided >> approve >> published
    decided >> published


customer_360()
