-- The stays of all customers, and of each cohort by entry month, acquisition source and region.
{{ config(tags=['whole']) }}
{%- set counts %}
    sum(stays) as stays, sum(newcomers) as newcomers, sum(customers) as customers, sum(converted) as converted
{%- endset %}
select 'all' as cohort_by, 'all' as cohort, stage, stage_rank, next_stage, days, is_open, {{ counts }}
from {{ ref('int_lifecycle__stay') }}
group by stage, stage_rank, next_stage, days, is_open
{%- for dimension in ['entry_month', 'acquisition_source', 'region'] %}
    union all
    select '{{ dimension }}', {{ dimension }}, stage, stage_rank, next_stage, days, is_open, {{ counts }}
    from {{ ref('int_lifecycle__stay') }}
    group by {{ dimension }}, stage, stage_rank, next_stage, days, is_open
{%- endfor %}
