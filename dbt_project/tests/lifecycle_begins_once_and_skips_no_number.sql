select customer_id
from {{ ref('lifecycle_transitions') }}
group by customer_id
having
    count(*) filter (where direction = 'entry' and from_stage is null and transition_number = 1) <> 1
    or count(*) filter (where direction = 'entry' or from_stage is null) <> 1
    or max(transition_number) <> count(*)
