-- In the night as many stand in each stage as lifecycle_current says, and all that ever moved is counted.
with standing as (
    select stage, count(*) as customers
    from {{ ref('lifecycle_current') }}
    group by stage
),

bounds as (
    select min(day) as first_day
    from {{ ref('lifecycle_daily') }}
),

moved as (
    select t.to_stage as stage, count(*) as entries
    from {{ ref('lifecycle_transitions') }} as t
    inner join bounds as b on {{ local_date('t.occurred_at') }} >= b.first_day
    group by t.to_stage
),

daily as (
    select
        stage,
        sum(entries) as entries,
        sum(case when is_complete then 0 else closing end) as closing
    from {{ ref('lifecycle_daily') }}
    group by stage
)

select d.stage, s.customers, m.entries
from daily as d
full outer join standing as s on d.stage = s.stage
full outer join moved as m on d.stage = m.stage
where
    d.closing is distinct from coalesce(s.customers, 0)
    or d.entries is distinct from coalesce(m.entries, 0)
