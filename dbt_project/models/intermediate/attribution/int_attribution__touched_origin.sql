-- What does each origin of touches stand for, and how many are there of it?
{%- set columns = ['origin_id', 'acquisition_source', 'channel_group', 'traffic_source', 'campaign'] %}
{{ config(tags=['tally'], meta={'tally': {'by': columns, 'rows': 'touches'}}) }}
select {{ columns | join(', ') }}, cast(sum(weight) as bigint) as touches
from ({{ weighted_rows(ref('attribution_touches'), columns) }}) as weighted
group by {{ columns | join(', ') }}
