-- Whoever entered a stage and did not leave it is in it tonight.
with moves as (
    select to_stage as stage, 1 as entered, 0 as standing
    from {{ ref('lifecycle_transitions') }}
    union all
    select from_stage, -1, 0
    from {{ ref('lifecycle_transitions') }}
    where from_stage is not null
    union all
    select stage, 0, 1
    from {{ ref('lifecycle_current') }}
)

select stage, sum(entered) as entered_less_left, sum(standing) as standing
from moves
group by stage
having sum(entered) <> sum(standing)
