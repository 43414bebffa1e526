-- Of each cohort, how many customers entered each stage, how many went on, and after how long did half of them leave?
select
    f.cohort_by,
    f.cohort,
    f.stage,
    f.stage_rank,
    f.customers,
    f.entries,
    f.exits,
    f.standing,
    f.converted,
    f.conversion,
    f.median_days,
    f.is_too_few
from {{ ref('lifecycle_funnel') }} as f
