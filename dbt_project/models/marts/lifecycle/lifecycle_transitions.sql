-- Which customer moved from which stage to which, when, and because of what?
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
),

moves as (
    select
        *,
        row_number() over by_time as transition_number,
        lag(occurred_at) over by_time as previous_at
    from ordered
    where previous_stage is null or previous_stage <> stage
    window by_time as (partition by customer_id order by occurred_at, cause_rank, cause_key)
)

select
    m.customer_id,
    cast(m.transition_number as integer) as transition_number,
    cast(m.previous_stage as {{ text_type() }}) as from_stage,
    cast(m.stage as {{ text_type() }}) as to_stage,
    m.occurred_at,
    cast(m.cause as {{ text_type() }}) as cause,
    m.cause_key,
    cast(greatest(m.orders, 1) as integer) as cycle,
    {{ days_between('m.previous_at', 'm.occurred_at') }} as days_in_stage,
    cast(
        case when m.previous_stage is null then 'entry' else coalesce(a.direction, 'impossible') end
        as {{ text_type() }}
    ) as direction,
    (m.previous_stage is null or a.direction is not null) and not m.is_out_of_order as is_allowed
from moves as m
left join {{ ref('lifecycle_allowed_transitions') }} as a
    on m.previous_stage = a.from_stage and m.stage = a.to_stage
