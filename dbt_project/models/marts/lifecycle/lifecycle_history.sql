-- In which stage and cycle did a customer stand at any moment? What was passed in an instant has no row.
with steps as (
    select
        *,
        lead(occurred_at) over (
            partition by customer_id
            order by occurred_at, cause_rank, cause_key
        ) as next_at
    from {{ ref('int_lifecycle__step') }}
)

select
    customer_id,
    cast(stage as {{ text_type() }}) as stage,
    cycle,
    occurred_at as began_at,
    next_at as ended_at,
    cast(cause as {{ text_type() }}) as cause,
    cause_key
from steps
where next_at is null or next_at > occurred_at
