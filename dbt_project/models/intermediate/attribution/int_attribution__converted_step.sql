-- How often did a path that converted go from one origin to which other, and what did its last touch convert to?
-- Refunds are no journeys, but their amounts count.
{%- set by = ['conversion_set', 'previous_origin_id', 'origin_id', 'is_last'] %}
{{ config(tags=['tally'], meta={'tally': {'by': by, 'rows': 'touches'}}) }}
with credit as (
    {{ weighted_rows(ref('attribution_credit'), by + ['touch_id', 'conversions', 'amount']) }}
)

select
    {{ by | join(', ') }},
    cast(sum(weight) as bigint) as touches,
    cast(sum(weight * conversions) as bigint) as journeys,
    cast(sum(weight * amount) as decimal(30, 2)) as amount
from credit
where touch_id is not null
group by {{ by | join(', ') }}
