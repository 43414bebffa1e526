-- How many customers stood in each stage at the beginning and the end of each day, and how many came and went?
-- Every day has every stage. What is older than the calendar may go back stands in its first opening.
with rules as (
    {{ rules_tonight(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

stages as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'stage_rank']) }}
),

numbers as ({{ day_numbers() }}),

sides as (
    select day, to_stage as stage, moved as entries, 0 as exits
    from {{ ref('int_lifecycle__move') }}
    union all
    select day, from_stage, 0, moved
    from {{ ref('int_lifecycle__move') }}
    where from_stage is not null
),

days as (
    select day, stage, sum(entries) as entries, sum(exits) as exits
    from sides
    group by day, stage
),

bounds as (
    select greatest(min(m.day), {{ as_of_date() }} - max(r.value)) as first_day
    from {{ ref('int_lifecycle__move') }} as m
    inner join rules as r on r.parameter = 'daily_days'
),

calendar as (
    select s.stage, s.stage_rank, b.first_day + n.n as day
    from bounds as b
    inner join numbers as n on b.first_day + n.n <= {{ as_of_date() }}
    cross join stages as s
),

carried as (
    select d.stage, sum(d.entries - d.exits) as standing
    from days as d
    inner join bounds as b on d.day < b.first_day
    group by d.stage
),

dense as (
    select
        c.day,
        c.stage,
        c.stage_rank,
        coalesce(d.entries, 0) as entries,
        coalesce(d.exits, 0) as exits,
        coalesce(o.standing, 0) + sum(coalesce(d.entries, 0) - coalesce(d.exits, 0)) over (
            partition by c.stage
            order by c.day
            rows between unbounded preceding and current row
        ) as closing
    from calendar as c
    left join days as d on c.day = d.day and c.stage = d.stage
    left join carried as o on c.stage = o.stage
)

select
    day,
    cast(stage as {{ text_type() }}) as stage,
    stage_rank,
    cast(closing - entries + exits as bigint) as opening,
    cast(entries as bigint) as entries,
    cast(exits as bigint) as exits,
    cast(closing as bigint) as closing,
    day < {{ as_of_date() }} as is_complete
from dense
