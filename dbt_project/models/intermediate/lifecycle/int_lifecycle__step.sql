-- Events that took a customer into another stage or, as an order placed again, into the next cycle.
with ordered as (
    select
        *,
        lag(stage) over by_time as previous_stage,
        sum(case when cause = 'order_placed' then 1 else 0 end) over so_far as orders
    from {{ ref('int_lifecycle__event') }}
    window
        by_time as (partition by customer_id order by occurred_at, cause_rank, cause_key),
        so_far as (
            partition by customer_id
            order by occurred_at, cause_rank, cause_key
            rows between unbounded preceding and current row
        )
)

select
    customer_id,
    previous_stage,
    stage,
    cast(greatest(orders, 1) as integer) as cycle,
    occurred_at,
    cause,
    cause_rank,
    cause_key,
    is_out_of_order,
    previous_stage is null or previous_stage <> stage as is_transition
from ordered
where previous_stage is null or previous_stage <> stage or (cause = 'order_placed' and orders > 1)
