-- How many customers moved from which stage into which on each day.
{{ config(tags=['tally'], meta={'tally': {'by': ['day', 'from_stage', 'to_stage'], 'rows': 'moved'}}) }}
with dated as (
    select {{ local_date('occurred_at') }} as day, from_stage, to_stage, weight
    from ({{ weighted_rows(ref('lifecycle_transitions'), ['occurred_at', 'from_stage', 'to_stage']) }}) as transitions
)

select day, from_stage, to_stage, cast(sum(weight) as bigint) as moved
from dated
group by day, from_stage, to_stage
