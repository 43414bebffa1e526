-- What each origin earned in each month by each model that looks at one conversion at a time.
-- (An amount wider than its type needs keeps the product exact on every engine.)
{%- set columns = [
    'conversion_set', 'converted_at', 'origin_id', 'conversions', 'amount', 'credit_first', 'credit_last',
    'credit_last_non_direct', 'credit_linear', 'credit_position_based', 'credit_w_shaped', 'credit_time_decay',
    'credit_shapley', 'credit_shapley_source', 'credit_shapley_campaign',
] %}
{{ config(
    tags=['tally'], meta={'tally': {'by': ['conversion_set', 'month', 'origin_id'], 'rows': 'touches'}}
) }}
select
    conversion_set,
    {{ month_start('converted_at') }} as month,
    origin_id,
    cast(sum(weight) as bigint) as touches,
    cast(sum(weight * conversions * credit_first) as decimal(20, 9)) as conversions_first,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_first) as decimal(30, 11)) as amount_first,
    cast(sum(weight * conversions * credit_last) as decimal(20, 9)) as conversions_last,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_last) as decimal(30, 11)) as amount_last,
    cast(sum(weight * conversions * credit_last_non_direct) as decimal(20, 9)) as conversions_last_non_direct,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_last_non_direct) as decimal(30, 11)) as amount_last_non_direct,
    cast(sum(weight * conversions * credit_linear) as decimal(20, 9)) as conversions_linear,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_linear) as decimal(30, 11)) as amount_linear,
    cast(sum(weight * conversions * credit_position_based) as decimal(20, 9)) as conversions_position_based,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_position_based) as decimal(30, 11)) as amount_position_based,
    cast(sum(weight * conversions * credit_w_shaped) as decimal(20, 9)) as conversions_w_shaped,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_w_shaped) as decimal(30, 11)) as amount_w_shaped,
    cast(sum(weight * conversions * credit_time_decay) as decimal(20, 9)) as conversions_time_decay,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_time_decay) as decimal(30, 11)) as amount_time_decay,
    cast(sum(weight * conversions * credit_shapley) as decimal(20, 9)) as conversions_shapley,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_shapley) as decimal(30, 11)) as amount_shapley,
    cast(sum(weight * conversions * credit_shapley_source) as decimal(20, 9)) as conversions_shapley_source,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_shapley_source) as decimal(30, 11)) as amount_shapley_source,
    cast(sum(weight * conversions * credit_shapley_campaign) as decimal(20, 9)) as conversions_shapley_campaign,
    cast(sum(cast(weight * amount as decimal(20, 2)) * credit_shapley_campaign) as decimal(30, 11)) as amount_shapley_campaign
from ({{ weighted_rows(ref('attribution_credit'), columns) }}) as weighted
group by 1, 2, 3
