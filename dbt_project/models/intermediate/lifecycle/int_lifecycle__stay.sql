-- Stays in a stage by what the funnel counts: cohort, where they led, how many days they lasted, and whether it was
-- the customer's first stay there and led on to a later stage in the end. A stay that goes on lasts until tonight.
{{ config(tags=['whole']) }}
with stages as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'stage_rank']) }}
),

moves as (
    select
        t.customer_id,
        t.transition_number,
        t.to_stage as stage,
        s.stage_rank,
        t.occurred_at,
        lead(t.to_stage) over by_number as next_stage,
        lead(t.occurred_at) over by_number as next_at,
        min(t.occurred_at) over (partition by t.customer_id) as entered_at,
        max(s.stage_rank) over (
            partition by t.customer_id
            order by t.transition_number
            rows between 1 following and unbounded following
        ) as highest_rank_after,
        row_number() over (partition by t.customer_id, s.stage_rank order by t.transition_number) as stay_number
    from {{ ref('lifecycle_transitions') }} as t
    inner join stages as s on t.to_stage = s.stage
    window by_number as (partition by t.customer_id order by t.transition_number)
),

cohorts as (
    select
        m.*,
        {{ month_start(local_date('m.entered_at')) }} as entered_in,
        coalesce(c.acquisition_source, '(none)') as acquisition_source,
        coalesce(c.region, '(none)') as region
    from moves as m
    inner join {{ ref('customer_360') }} as c on m.customer_id = c.customer_id
),

counted as (
    select
        entered_in,
        acquisition_source,
        region,
        stage,
        stage_rank,
        next_stage,
        {{ days_between('occurred_at', "coalesce(next_at, " ~ as_of() ~ ")") }} as days,
        count(*) as stays,
        count(*) filter (where transition_number = 1) as newcomers,
        count(*) filter (where stay_number = 1) as customers,
        count(*) filter (where stay_number = 1 and highest_rank_after > stage_rank) as converted
    from cohorts
    group by 1, 2, 3, 4, 5, 6, 7
)

select
    substr(cast(entered_in as {{ text_type() }}), 1, 7) as entry_month,
    acquisition_source,
    region,
    stage,
    stage_rank,
    next_stage,
    days,
    next_stage is null as is_open,
    stays,
    newcomers,
    customers,
    converted
from counted
