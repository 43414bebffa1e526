-- What each origin earned in each month by each model that looks at one conversion at a time.
-- (An amount wider than its type needs keeps the product exact on every engine.)
{%- set models = [
    'first', 'last', 'last_non_direct', 'linear', 'position_based', 'w_shaped', 'time_decay', 'shapley', 'shapley_source',
    'shapley_campaign',
] %}
{%- set columns = ['conversion_set', 'converted_at', 'origin_id', 'conversions', 'amount'] %}
{%- for model in models %}{% do columns.append('credit_' ~ model) %}{% endfor %}
{{ config(tags=['tally'], meta={'tally': {'by': ['conversion_set', 'month', 'origin_id'], 'rows': 'touches'}}) }}
with credit as (
    {{ weighted_rows(ref('attribution_credit'), columns) }}
)

select
    conversion_set,
    {{ month_start('converted_at') }} as month,
    origin_id,
    {% for model in models -%}
        cast(sum(weight * conversions * credit_{{ model }}) as decimal(20, 9)) as conversions_{{ model }},
        cast(
            sum(cast(weight * amount as decimal(20, 2)) * credit_{{ model }}) as decimal(30, 11)
        ) as amount_{{ model }},
    {% endfor -%}
    cast(sum(weight) as bigint) as touches
from credit
group by 1, 2, 3
