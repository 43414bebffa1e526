-- Which customer moved from which stage to which, when, and because of what?
with ordered as (
    select
        e.customer_id,
        e.stage,
        e.occurred_at,
        e.cause,
        e.cause_key,
        lag(e.stage) over (
            partition by e.customer_id
            order by e.occurred_at, s.stage_rank, e.cause_key, e.cause
        ) as previous_stage,
        s.stage_rank
    from {{ ref('int_lifecycle__event') }} as e
    inner join {{ ref('lifecycle_stages') }} as s on e.stage = s.stage
    where e.occurred_at < {{ as_of() }}
),

moves as (
    select
        customer_id,
        previous_stage as from_stage,
        stage as to_stage,
        occurred_at,
        cause,
        cause_key,
        row_number() over (
            partition by customer_id
            order by occurred_at, stage_rank, cause_key, cause
        ) as transition_number,
        lag(occurred_at) over (
            partition by customer_id
            order by occurred_at, stage_rank, cause_key, cause
        ) as previous_at
    from ordered
    where previous_stage is null or previous_stage <> stage
)

select
    m.customer_id,
    cast(m.transition_number as integer) as transition_number,
    cast(m.from_stage as varchar) as from_stage,
    cast(m.to_stage as varchar) as to_stage,
    m.occurred_at,
    cast(m.cause as varchar) as cause,
    m.cause_key,
    cast(1 + sum(case when m.from_stage = 'user' and m.to_stage = 'order_customer' then 1 else 0 end) over (
        partition by m.customer_id
        order by m.transition_number
        rows between unbounded preceding and current row
    ) as integer) as cycle,
    {{ days_between('m.previous_at', 'm.occurred_at') }} as days_in_stage,
    cast(case when m.from_stage is null then 'entry' else coalesce(a.direction, 'impossible') end as varchar) as direction,
    (m.from_stage is null and m.to_stage = 'unidentified') or a.direction is not null as is_allowed
from moves as m
left join {{ ref('lifecycle_allowed_transitions') }} as a on m.from_stage = a.from_stage and m.to_stage = a.to_stage
