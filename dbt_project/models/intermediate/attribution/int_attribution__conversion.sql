-- What touches are credited for: becoming a prospect, an opportunity, an order.
with conversions as (
    select
        'identified' as conversion_set,
        cause_key as conversion_key,
        customer_id,
        occurred_at as converted_at,
        cast(0 as decimal(18, 2)) as amount
    from {{ ref('lifecycle_transitions') }}
    where to_stage = 'prospect' and cause = 'identified'
    union all
    select 'opportunity', opportunity_id, customer_id, created_at, coalesce(amount, 0)
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null and created_at is not null
    union all
    select 'order', order_id, customer_id, ordered_at, coalesce(amount, 0)
    from {{ ref('int_sales__order') }}
    where customer_id is not null
)

select
    c.conversion_set,
    c.conversion_key,
    c.customer_id,
    c.converted_at,
    c.amount,
    {{ add_days('c.converted_at', '-1 * p.lookback_days') }} as credit_from
from conversions as c
inner join {{ ref('attribution_conversions') }} as p on c.conversion_set = p.conversion_set
