with last_moves as (
    select t.customer_id, t.to_stage, t.occurred_at
    from {{ ref('lifecycle_transitions') }} as t
    left join {{ ref('lifecycle_transitions') }} as later
        on t.customer_id = later.customer_id and later.transition_number = t.transition_number + 1
    where later.customer_id is null
)

select m.customer_id, c.stage
from last_moves as m
full outer join {{ ref('lifecycle_current') }} as c on m.customer_id = c.customer_id
where m.to_stage is distinct from c.stage or m.occurred_at is distinct from c.stage_since
