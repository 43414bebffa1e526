"""What was restated, read from what is served: for `c360 restatements`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg2.extensions import connection as Connection

from customer360.publish.restatements import GRAINS


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause in one publication. `moved`: credited amount that left a figure or came to one, either way counted."""

    publication_id: int
    as_of: datetime
    cause: str
    figures: int
    conversions: Decimal
    amount: Decimal
    moved: Decimal


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of `attribution_summary` that moved, and one cause."""

    conversion_set: str
    month: datetime
    source: str
    cause: str
    conversions_from: Decimal
    conversions_to: Decimal
    amount_from: Decimal
    amount_to: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """A touch's share of a conversion's amount by one model, before and after; None where it was in no path."""

    touch_id: int | None
    channel_group: str
    share_from: Decimal | None
    share_to: Decimal | None
    amount_from: Decimal | None
    amount_to: Decimal | None


def causes(connection: Connection, days: int, grain: str, model: str) -> list[Cause]:
    """Causes of the publications for nights of the last `days` before the served one, newest first."""
    return [
        Cause(*row)
        for row in _rows(
            connection,
            "select publication_id, as_of, cause, count(*), sum(conversions_to - conversions_from),"
            " sum(amount_to - amount_from), sum(abs(amount_to - amount_from))"
            " from serving.attribution_restatements"
            " where grain = %s and model = %s and as_of > (select p.as_of at time zone 'UTC' from ops.publication p"
            " join ops.publication_pointer at using (publication_id)) - %s * interval '1 day'"
            " group by publication_id, as_of, cause order by publication_id desc, cause",
            (grain, model, days),
        )
    ]


def figures(connection: Connection, publication_id: int, grain: str, model: str) -> list[Figure]:
    """Figures that moved with one publication, each with its causes; the largest moves first."""
    told = " || ' / ' || ".join(GRAINS[grain])
    return [
        Figure(*row)
        for row in _rows(
            connection,
            f"select conversion_set, month, {told} as source, cause, conversions_from, conversions_to, amount_from,"
            " amount_to from serving.attribution_restatements"
            " where publication_id = %s and grain = %s and model = %s"
            " order by abs(amount_to - amount_from) desc, abs(conversions_to - conversions_from) desc,"
            " conversion_set, month, source, cause",
            (publication_id, grain, model),
        )
    ]


def shares(connection: Connection, publication_id: int, conversion_set: str, key: int, column: str) -> list[Share]:
    """Touches of one conversion as they were and as they are from a publication on, by one column of shares.

    Raises ValueError for a column that `attribution_credit` does not have.
    """
    known = {name for (name,) in _rows(connection, _COLUMNS, ())}
    if column not in known:
        raise ValueError(f"no model is called {column.removeprefix('credit_')}")
    return [
        Share(*row)
        for row in _rows(
            connection,
            f"""
            with side as (
                select r.valid_from = %(n)s as is_new, r.touch_id, r.origin_id, r.{column} as share,
                    r.{column} * r.amount as amount
                from store.attribution_credit r
                where r.conversion_set = %(set)s and r.conversion_key = %(key)s
                    and (r.valid_from = %(n)s or r.valid_to = %(n)s)
            )
            select s.touch_id, coalesce(min(o.channel_group), 'unattributed'),
                sum(share) filter (where not is_new), sum(share) filter (where is_new),
                round(sum(amount) filter (where not is_new), 2), round(sum(amount) filter (where is_new), 2)
            from side s
            left join store.attribution_origins o on o.origin_id = s.origin_id
                and o.valid_from <= %(n)s and (o.valid_to is null or o.valid_to >= %(n)s)
            group by s.touch_id order by s.touch_id nulls last
            """,
            {"n": publication_id, "set": conversion_set, "key": key},
        )
    ]


_COLUMNS = (
    "select attname from pg_attribute where attrelid = to_regclass('store.attribution_credit')"
    " and attname like 'credit\\_%'"
)


def _rows(connection: Connection, query: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        found = cursor.fetchall()
    connection.commit()
    return found
