-- Each stay begins where the one before it ended, from the first transition on, and only the last is open.
with stays as (
    select
        *,
        lead(began_at) over (partition by customer_id order by began_at) as next_from,
        min(began_at) over (partition by customer_id) as first_from
    from {{ ref('lifecycle_history') }}
),

entries as (
    select customer_id, occurred_at
    from {{ ref('lifecycle_transitions') }}
    where transition_number = 1
)

select e.customer_id, s.began_at
from entries as e
full outer join stays as s on e.customer_id = s.customer_id
where
    e.customer_id is null
    or s.customer_id is null
    or s.ended_at <= s.began_at
    or s.ended_at is distinct from s.next_from
    or s.first_from <> e.occurred_at
