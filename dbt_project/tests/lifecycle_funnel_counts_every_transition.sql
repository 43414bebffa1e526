-- Under each kind of cohort the funnel and the flow count exactly the transitions, and the customers who are there.
with transitions as (
    select to_stage as stage, count(*) as entries, count(distinct customer_id) as customers
    from {{ ref('lifecycle_transitions') }}
    group by to_stage
),

standing as (
    select stage, count(*) as standing
    from {{ ref('lifecycle_current') }}
    group by stage
),

funnel as (
    select
        cohort_by,
        stage,
        sum(entries) as entries,
        sum(customers) as customers,
        sum(standing) as standing
    from {{ ref('lifecycle_funnel') }}
    group by cohort_by, stage
),

kinds as (
    select 'all' as cohort_by
    union all
    select 'entry_month'
    union all
    select 'acquisition_source'
    union all
    select 'region'
),

flow as (
    select cohort_by, to_stage as stage, sum(transitions) as entries
    from {{ ref('lifecycle_flow') }}
    group by cohort_by, to_stage
)

select k.cohort_by, t.stage
from kinds as k
cross join transitions as t
left join standing as s on t.stage = s.stage
left join funnel as f on k.cohort_by = f.cohort_by and t.stage = f.stage
left join flow as w on k.cohort_by = w.cohort_by and t.stage = w.stage
where
    f.entries is distinct from t.entries
    or f.customers is distinct from t.customers
    or f.standing is distinct from coalesce(s.standing, 0)
    or w.entries is distinct from t.entries
