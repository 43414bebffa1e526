-- Why do how many contacts earn no credit?
select
    reason,
    source,
    channel,
    {{ month_start('occurred_at') }} as month,
    count(*) as interactions
from {{ ref('int_attribution__non_touch') }}
group by 1, 2, 3, 4
