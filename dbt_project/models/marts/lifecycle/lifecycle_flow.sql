-- Of each cohort, how many moved from which stage straight into which?
with rules as (
    {{ rules_tonight(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

stages as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'stage_rank']) }}
    union all
    select '(new)', 0
),

left_from as (
    select cohort_by, cohort, stage, sum(stays) as entries, sum(customers) as customers
    from {{ ref('int_lifecycle__cohort') }}
    group by cohort_by, cohort, stage
    union all
    select cohort_by, cohort, '(new)', sum(newcomers), sum(newcomers)
    from {{ ref('int_lifecycle__cohort') }}
    group by cohort_by, cohort
),

moves as (
    select cohort_by, cohort, stage as from_stage, next_stage as to_stage, sum(stays) as transitions
    from {{ ref('int_lifecycle__cohort') }}
    where next_stage is not null
    group by cohort_by, cohort, stage, next_stage
    union all
    select cohort_by, cohort, '(new)', stage, sum(newcomers)
    from {{ ref('int_lifecycle__cohort') }}
    where newcomers > 0
    group by cohort_by, cohort, stage
)

select
    cast(m.cohort_by as {{ text_type() }}) as cohort_by,
    cast(m.cohort as {{ text_type() }}) as cohort,
    cast(m.from_stage as {{ text_type() }}) as from_stage,
    cast(m.to_stage as {{ text_type() }}) as to_stage,
    f.stage_rank as from_rank,
    t.stage_rank as to_rank,
    cast(m.transitions as bigint) as transitions,
    case when l.customers >= r.value then {{ share_of('m.transitions', 'l.entries') }} end as share,
    l.customers < r.value as is_too_few
from moves as m
inner join left_from as l on m.cohort_by = l.cohort_by and m.cohort = l.cohort and m.from_stage = l.stage
inner join stages as f on m.from_stage = f.stage
inner join stages as t on m.to_stage = t.stage
inner join rules as r on r.parameter = 'funnel_min_customers'
