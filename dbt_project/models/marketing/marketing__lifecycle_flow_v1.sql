-- Of each cohort, from which stage to which did customers move, and how often?
select
    f.cohort_by,
    f.cohort,
    f.from_stage,
    f.to_stage,
    f.from_rank,
    f.to_rank,
    f.transitions,
    f.share,
    f.is_too_few
from {{ ref('lifecycle_flow') }} as f
