"""The review queue as the DAG `identity_review` asks about it: what is offered, and what was answered.

Importing this module is cheap. What is offered travels as XComs, so it is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAME, DIFFERENT, LATER = "Same person", "Different persons", "Not now"
OPTIONS = (SAME, DIFFERENT, LATER)
_KINDS = {SAME: "must_link", DIFFERENT: "cannot_link"}
_UNSAID = "decided in Airflow"


def offers(limit: int = 20) -> list[dict[str, Any]]:
    """Pairs that wait: `review_id`, `subject` and `body` (Markdown, both records side by side).

    Up to a quarter of them are drawn for the audit, in the order they were drawn; the others are the likeliest.
    """
    from customer360.engines import open_engine
    from customer360.identity import review
    from customer360.identity.side_by_side import compare, markdown, profiles
    from customer360.ops import migrate
    from customer360.postgres import connect
    from customer360.settings import Settings

    settings = Settings.from_env()
    with connect(settings, application_name="c360 review") as connection:
        migrate(connection)
        with connection.cursor() as cursor:
            waiting = review.open_pairs(cursor, limit // 4, audit=True)
            waiting += review.open_pairs(cursor, limit - len(waiting), audit=False)
    if not waiting:
        return []
    with open_engine(settings) as engine:
        found = profiles(engine, (record for each in waiting for record in (each.record_key_a, each.record_key_b)))
    return [
        {
            "review_id": each.review_id,
            "subject": f"Review {each.review_id}: one person or two?",
            "body": markdown(each, compare(found.get(each.record_key_a), found.get(each.record_key_b))),
        }
        for each in waiting
    ]


def record(review_id: int, answer: Mapping[str, Any]) -> str:
    """Write down what a person answered (as `HITLOperator` returns it); the pair's status then.

    Silence decides nothing, and neither does an answer to a pair that somebody decided meanwhile.
    """
    from customer360.identity import review
    from customer360.postgres import connect
    from customer360.settings import Settings

    (chosen,) = answer["chosen_options"]
    who = answer.get("responded_by_user") or {}
    reason = str((answer.get("params_input") or {}).get("reason") or "").strip()
    with connect(Settings.from_env(), application_name="c360 review") as connection, connection.cursor() as cursor:
        if chosen in _KINDS and who and review.find(cursor, review_id).status == "open":
            review.answer(cursor, review_id, _KINDS[chosen], who.get("name") or who["id"], reason or _UNSAID)
            connection.commit()
        return review.find(cursor, review_id).status
