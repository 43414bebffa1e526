-- The stays of all customers, and of each cohort by entry month, acquisition source and region. Those that go on last
-- until tonight.
{{ config(tags=['whole']) }}
{%- set counts %}
    sum(stays) as stays, sum(newcomers) as newcomers, sum(customers) as customers, sum(converted) as converted
{%- endset %}
with stays as (
    select
        entry_month,
        acquisition_source,
        region,
        stage,
        stage_rank,
        next_stage,
        coalesce(days, {{ night_day() }} - since_day) as days,
        is_open,
        stays,
        newcomers,
        customers,
        converted
    from {{ ref('int_lifecycle__stay') }}
)

select 'all' as cohort_by, 'all' as cohort, stage, stage_rank, next_stage, days, is_open, {{ counts }}
from stays
group by stage, stage_rank, next_stage, days, is_open
{%- for dimension in ['entry_month', 'acquisition_source', 'region'] %}
    union all
    select '{{ dimension }}', {{ dimension }}, stage, stage_rank, next_stage, days, is_open, {{ counts }}
    from stays
    group by {{ dimension }}, stage, stage_rank, next_stage, days, is_open
{%- endfor %}
