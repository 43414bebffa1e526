-- Stays in a stage by what the funnel counts: cohort, where they led, how many days they lasted, and whether it was
-- the customer's first stay there and led on to a later stage in the end. A stay that goes on has no end yet, but the
-- day since which it goes on, counted in days of 24 hours that begin at the night's time of day.
{{ config(
    tags=['tally'],
    meta={
        'tally': {
            'by': [
                'entry_month', 'acquisition_source', 'region', 'stage', 'stage_rank', 'next_stage', 'days', 'since_day',
                'is_open',
            ],
            'rows': 'stays',
        }
    },
) }}
with stages as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'stage_rank']) }}
),

transitions as (
    {{ weighted_rows(
        ref('lifecycle_transitions'), ['customer_id', 'transition_number', 'to_stage', 'occurred_at']
    ) }}
),

customers as (
    {{ weighted_rows(ref('customer_360'), ['customer_id', 'acquisition_source', 'region']) }}
),

moves as (
    select
        t.customer_id,
        t.weight,
        t.transition_number,
        t.to_stage as stage,
        s.stage_rank,
        t.occurred_at,
        lead(t.to_stage) over by_number as next_stage,
        lead(t.occurred_at) over by_number as next_at,
        min(t.occurred_at) over (partition by t.customer_id, t.weight) as entered_at,
        max(s.stage_rank) over (
            partition by t.customer_id, t.weight
            order by t.transition_number
            rows between 1 following and unbounded following
        ) as highest_rank_after,
        row_number() over (
            partition by t.customer_id, t.weight, s.stage_rank
            order by t.transition_number
        ) as stay_number
    from transitions as t
    inner join stages as s on t.to_stage = s.stage
    window by_number as (partition by t.customer_id, t.weight order by t.transition_number)
),

cohorts as (
    select
        m.*,
        {{ month_start(local_date('m.entered_at')) }} as entered_in,
        coalesce(c.acquisition_source, '(none)') as acquisition_source,
        coalesce(c.region, '(none)') as region
    from moves as m
    inner join customers as c on m.customer_id = c.customer_id and m.weight = c.weight
),

counted as (
    select
        entered_in,
        acquisition_source,
        region,
        stage,
        stage_rank,
        next_stage,
        {{ days_between('occurred_at', 'next_at') }} as days,
        case when next_at is null then {{ night_day() }} - {{ days_between('occurred_at', as_of()) }} end as since_day,
        next_stage is null as is_open,
        sum(weight) as stays,
        sum(weight) filter (where transition_number = 1) as newcomers,
        sum(weight) filter (where stay_number = 1) as customers,
        sum(weight) filter (where stay_number = 1 and highest_rank_after > stage_rank) as converted
    from cohorts
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
)

select
    substr(cast(entered_in as {{ text_type() }}), 1, 7) as entry_month,
    acquisition_source,
    region,
    stage,
    stage_rank,
    next_stage,
    days,
    since_day,
    is_open,
    cast(stays as bigint) as stays,
    cast(coalesce(newcomers, 0) as bigint) as newcomers,
    cast(coalesce(customers, 0) as bigint) as customers,
    cast(coalesce(converted, 0) as bigint) as converted
from counted
