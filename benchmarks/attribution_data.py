"""Made-up journeys: N raw paths over twelve channels, as peers read them and as the pipeline holds them."""

from __future__ import annotations

from pathlib import Path

import duckdb

CHANNELS = (
    *("Direct", "Paid Search", "Organic Search", "Email", "Paid Social", "Organic Social"),
    *("Display", "Referral", "Affiliates", "Organic Video", "SMS", "Phone call"),
)
# One in five journeys converts; lengths fall off geometrically, four touches on average.
_TOUCH = """
create or replace table touch as
select p as path, n, 1 + least(11, (12 * pow(hash(p, n, 'channel') % 1000000 / 1e6, 1.7))::bigint) as c
from (
    select p, unnest(range(1, 2 + least(29, (-3.5 * ln(1 - hash(p, 'length') % 1000000 / 1e6))::bigint))) as n
    from range({paths}) t(p)
)
"""


def write_paths(file: Path, paths: int) -> None:
    """Parquet of (path 'A > B > C', conversions 0 or 1, nulls 0 or 1, amount)."""
    with duckdb.connect() as engine:
        engine.execute(_TOUCH.format(paths=paths))
        engine.execute(f"create table channel as select unnest({list(CHANNELS)}) as name, unnest(range(1, 13)) as c")
        engine.execute(
            f"""
            copy (
                select string_agg(name, ' > ' order by n) as path, (hash(path, 'won') % 5 = 0)::integer as conversions,
                    1 - (hash(path, 'won') % 5 = 0)::integer as nulls,
                    case when hash(path, 'won') % 5 = 0 then (1000 + hash(path, 'worth') % 90000) / 100.0 else 0 end as amount
                from touch inner join channel using (c)
                group by touch.path order by touch.path
            ) to '{file}'
            """
        )


def write_touches(file: Path, paths: int, converting: str = "hash(p, 'won') % 5 = 0") -> None:
    """A DuckDB file with what the attribution models read: each path is a customer, its touches an hour apart, its
    conversion an hour after the last."""
    with duckdb.connect(str(file)) as engine:
        engine.execute("create schema marts; create schema intermediate")
        engine.execute(_TOUCH.format(paths=paths))
        engine.execute(f"create table channel as select unnest({list(CHANNELS)}) as name, unnest(range(1, 13)) as c")
        engine.execute(
            """
            create table marts.attribution_touches as
            select path * 64 + n as touch_id, path as customer_id,
                timestamp '2026-01-01' + interval (n) hour as touched_at, name as channel_group, 'media' as
                acquisition_source, lower(name) as traffic_source, null::varchar as campaign, touch.c as origin_id,
                lag(touch.c) over by_time as previous_origin_id, lead(touch.c) over by_time is null as is_last_touch
            from touch inner join channel using (c)
            window by_time as (partition by path order by n)
            """
        )
        engine.execute(
            f"""
            create table intermediate.int_attribution__conversion as
            select 'order' as conversion_set, p as conversion_key, p as customer_id, e as converted_at,
                e as path_ends_at, timestamp '2025-01-01' as credit_from, 1 as conversions,
                ((1000 + hash(p, 'worth') % 90000) / 100)::decimal(18, 2) as amount
            from (
                select path as p, timestamp '2026-01-01' + interval (max(n) + 1) hour as e from touch group by path
            )
            where {converting}
            """
        )
        engine.execute(
            """
            create table marts.lifecycle_transitions as
            select customer_id, 2 as transition_number, 'unidentified' as from_stage, 'prospect' as to_stage,
                timestamp '2026-01-01 02:30' as occurred_at
            from intermediate.int_attribution__conversion where customer_id % 3 = 0
            union all
            select customer_id, 3, 'prospect', 'order_customer', converted_at from intermediate.int_attribution__conversion
            """
        )
        engine.execute("drop table touch; drop table channel")
