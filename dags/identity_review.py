"""`identity_review`: asks people about the pairs of records that are possibly one person's.

Each task `ask` shows two records side by side, masked, and waits for *Same person*, *Different persons* or *Not
now*; without an answer the pair is asked about again the next day. A decision counts from the next night.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, task, task_group

from customer360 import orchestration as night
from customer360 import reviews

CONFIG = night.configuration()


@dag(
    schedule=night.timetable("0 8 * * *", CONFIG.timezone),
    **night.DAG_ARGS,
    dagrun_timeout=timedelta(hours=23),
    default_args=night.DEFAULT_ARGS,
    tags=["review"],
    doc_md=__doc__,
)
def identity_review() -> None:
    @task(pool=night.ENGINE_POOL)
    def offer() -> list[dict[str, Any]]:
        return reviews.offers()

    @task
    def record(review_id: int, answer: dict[str, Any]) -> str:
        return reviews.record(review_id, answer)

    @task_group
    def pair(review_id: int, subject: str, body: str) -> None:
        ask = HITLOperator(
            task_id="ask",
            subject=subject,
            body=body,
            options=list(reviews.OPTIONS),
            defaults=reviews.LATER,
            params={"reason": Param("", type="string", title="Reason")},
            response_timeout=timedelta(hours=20),
            retries=3,  # Airflow can take a task for failed that is answered at once: it asks again
            retry_delay=timedelta(seconds=10),
            retry_exponential_backoff=False,
            pool="default_pool",
            execution_timeout=None,
        )
        record(review_id, ask.output)

    pair.expand_kwargs(offer())


identity_review()
