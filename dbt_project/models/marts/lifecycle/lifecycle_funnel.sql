-- Of each cohort, how many customers entered each stage, how many went on, and after how long did half of them leave?
with rules as (
    {{ rules_tonight(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

counted as (
    select
        cohort_by,
        cohort,
        stage,
        stage_rank,
        sum(customers) as customers,
        sum(stays) as entries,
        sum(case when is_open then 0 else stays end) as exits,
        sum(converted) as converted
    from {{ ref('int_lifecycle__cohort') }}
    group by cohort_by, cohort, stage, stage_rank
),

last_stage as (
    select max(stage_rank) as stage_rank
    from {{ ref('lifecycle_stages') }}
)

select
    cast(c.cohort_by as {{ text_type() }}) as cohort_by,
    cast(c.cohort as {{ text_type() }}) as cohort,
    cast(c.stage as {{ text_type() }}) as stage,
    c.stage_rank,
    cast(c.customers as bigint) as customers,
    cast(c.entries as bigint) as entries,
    cast(c.exits as bigint) as exits,
    cast(c.entries - c.exits as bigint) as standing,
    cast(c.converted as bigint) as converted,
    case
        when c.customers >= r.value and c.stage_rank < l.stage_rank then {{ share_of('c.converted', 'c.customers') }}
    end as conversion,
    case when c.customers >= r.value then m.median_days end as median_days,
    c.customers < r.value as is_too_few
from counted as c
inner join rules as r on r.parameter = 'funnel_min_customers'
cross join last_stage as l
left join {{ ref('int_lifecycle__median') }} as m
    on c.cohort_by = m.cohort_by and c.cohort = m.cohort and c.stage = m.stage
