-- Two times of the same overlay neither overlap nor touch, and none begins after the night.
with times as (
    select
        *,
        lag(ended_at) over by_time as previous_to,
        row_number() over by_time as place
    from {{ ref('lifecycle_overlays') }}
    window by_time as (partition by customer_id, overlay order by began_at)
)

select customer_id, overlay, began_at
from times
where
    ended_at <= began_at
    or began_at > {{ as_of() }}
    or (place > 1 and (previous_to is null or previous_to >= began_at))
