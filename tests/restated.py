"""What the tests of restatements share: the moves of a publication, and those that nothing explains."""

from __future__ import annotations

from typing import Any

import psycopg2.extras

CELL = (
    "grain",
    "model",
    "conversion_set",
    "month",
    "acquisition_source",
    "channel_group",
    "traffic_source",
    "campaign",
)


def rows(connection: Any, query: str, *values: Any) -> list[dict[str, Any]]:
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(query, values)
        found = [dict(row) for row in cursor]
    connection.commit()
    return found


def moves(connection: Any, publication_id: int) -> list[dict[str, Any]]:
    return rows(connection, "select * from serving.attribution_restatements where publication_id = %s", publication_id)


def unexplained(connection: Any, publication_id: int) -> list[dict[str, Any]]:
    """Cells of the summary whose move since the publication before is not the sum of their causes."""
    cell = ", ".join(CELL)
    return rows(
        connection,
        f"""
        select {cell}, sum(conversions) as conversions, sum(amount) as amount from (
            select {cell}, case when valid_from = %s then 1 else -1 end * conversions as conversions,
                case when valid_from = %s then 1 else -1 end * amount as amount
            from store.attribution_summary where valid_from = %s or valid_to = %s
            union all
            select {cell}, conversions_from - conversions_to, amount_from - amount_to
            from store.attribution_restatements where publication_id = %s
        ) both_sides group by {cell} having sum(conversions) <> 0 or sum(amount) <> 0
        """,
        *[publication_id] * 5,
    )
