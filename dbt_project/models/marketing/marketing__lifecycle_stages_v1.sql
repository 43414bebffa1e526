-- How many customers stand in each stage tonight, and how many of them are dormant, lost or have an opportunity open?
select
    l.stage,
    l.programme,
    cast(count(*) as bigint) as customers,
    cast(count(*) filter (where l.is_dormant) as bigint) as dormant,
    cast(count(*) filter (where l.is_lost) as bigint) as lost,
    cast(count(*) filter (where l.is_disqualified) as bigint) as disqualified,
    cast(count(*) filter (where l.has_open_opportunity) as bigint) as with_open_opportunity
from {{ ref('lifecycle_current') }} as l
group by l.stage, l.programme
