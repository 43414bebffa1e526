-- What the flow leads out of a stage, with those who are still there, is what came in.
with leaving as (
    select cohort_by, cohort, from_stage, sum(transitions) as exits
    from {{ ref('lifecycle_flow') }}
    where from_stage <> '(new)'
    group by cohort_by, cohort, from_stage
)

select f.cohort_by, f.cohort, f.stage
from {{ ref('lifecycle_funnel') }} as f
full outer join leaving as l on f.cohort_by = l.cohort_by and f.cohort = l.cohort and f.stage = l.from_stage
where
    f.exits is distinct from coalesce(l.exits, 0)
    or f.standing is distinct from f.entries - coalesce(l.exits, 0)
    or f.converted > f.customers
    or (f.is_too_few and coalesce(f.conversion, f.median_days) is not null)
