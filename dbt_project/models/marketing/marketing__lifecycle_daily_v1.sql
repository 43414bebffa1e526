-- How many customers stood in each stage each day, and how many came and left?
select
    d.day,
    d.stage,
    d.stage_rank,
    d.opening,
    d.entries,
    d.exits,
    d.closing,
    d.is_complete
from {{ ref('lifecycle_daily') }} as d
