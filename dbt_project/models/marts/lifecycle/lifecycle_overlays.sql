-- When was a customer dormant, lost or disqualified, and when had they an opportunity open?
-- Times that overlap, or follow each other at once, are one.
with moves as (
    select
        customer_id,
        cause,
        occurred_at,
        lead(occurred_at) over (partition by customer_id order by transition_number) as next_at
    from {{ ref('lifecycle_transitions') }}
),

times as (
    select customer_id, 'dormant' as overlay, began_at, ended_at
    from {{ ref('int_lifecycle__dormancy') }}
    union all
    select customer_id, 'lost', occurred_at, next_at
    from moves
    where cause = 'opportunity_lost'
    union all
    select customer_id, 'disqualified', began_at, ended_at
    from {{ ref('int_lifecycle__disqualification') }}
    union all
    select customer_id, 'has_open_opportunity', opened_at, closed_at
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
),

ended as (
    select customer_id, overlay, began_at, coalesce(ended_at, cast('9999-12-31' as timestamp)) as ended_at
    from times
    where ended_at is null or ended_at > began_at
),

marked as (
    select
        *,
        case when max(ended_at) over before_it >= began_at then 0 else 1 end as is_beginning
    from ended
    window before_it as (
        partition by customer_id, overlay
        order by began_at, ended_at
        rows between unbounded preceding and 1 preceding
    )
),

numbered as (
    select
        *,
        sum(is_beginning) over (
            partition by customer_id, overlay
            order by began_at, ended_at
            rows between unbounded preceding and current row
        ) as spell
    from marked
)

select
    customer_id,
    cast(overlay as {{ text_type() }}) as overlay,
    min(began_at) as began_at,
    nullif(max(ended_at), cast('9999-12-31' as timestamp)) as ended_at
from numbered
group by customer_id, overlay, spell
