-- How often did a touch of each origin follow one of which other, and how often was it the customer's last, by month?
{{ config(
    tags=['tally'],
    meta={'tally': {'by': ['month', 'previous_origin_id', 'origin_id', 'is_last_touch'], 'rows': 'touches'}},
) }}
{%- set columns = ['touched_at', 'previous_origin_id', 'origin_id', 'is_last_touch'] %}
select
    {{ month_start('touched_at') }} as month,
    previous_origin_id,
    origin_id,
    is_last_touch,
    cast(sum(weight) as bigint) as touches
from ({{ weighted_rows(ref('attribution_touches'), columns) }}) as weighted
group by 1, 2, 3, 4
