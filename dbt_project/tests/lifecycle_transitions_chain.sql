-- Each transition leaves the stage that the one before it entered, and time does not run back.
select a.customer_id, a.transition_number
from {{ ref('lifecycle_transitions') }} as a
inner join {{ ref('lifecycle_transitions') }} as b
    on a.customer_id = b.customer_id and a.transition_number = b.transition_number + 1
where a.from_stage <> b.to_stage or a.occurred_at < b.occurred_at
