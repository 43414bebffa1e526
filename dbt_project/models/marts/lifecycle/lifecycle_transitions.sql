-- Which customer moved from which stage to which, when, and because of what?
with allowed as (
    {{ dated_rules(ref('lifecycle_allowed_transitions'), ['from_stage', 'to_stage', 'direction']) }}
),

moves as (
    select
        *,
        row_number() over by_time as transition_number,
        lag(occurred_at) over by_time as previous_at
    from {{ ref('int_lifecycle__step') }}
    where is_transition
    window by_time as (partition by customer_id order by occurred_at, cause_rank, cause_key)
),

judged as (
    select
        m.*,
        case when m.previous_stage is null then 'entry' else coalesce(a.direction, 'impossible') end as direction,
        case
            when m.previous_stage is not null and a.direction is null then 'not_in_matrix'
            when m.is_out_of_order and m.cause = 'order_placed' then 'before_first_contact'
            when m.is_out_of_order then 'delivered_before_ordered'
        end as anomaly
    from moves as m
    left join allowed as a
        on
            m.previous_stage = a.from_stage
            and m.stage = a.to_stage
            and m.occurred_at >= a.valid_from
            and m.occurred_at < a.valid_to
)

select
    customer_id,
    cast(transition_number as integer) as transition_number,
    cast(previous_stage as {{ text_type() }}) as from_stage,
    cast(stage as {{ text_type() }}) as to_stage,
    occurred_at,
    cast(cause as {{ text_type() }}) as cause,
    cause_key,
    cycle,
    {{ days_between('previous_at', 'occurred_at') }} as days_in_stage,
    cast(direction as {{ text_type() }}) as direction,
    anomaly is null as is_allowed,
    cast(anomaly as {{ text_type() }}) as anomaly
from judged
