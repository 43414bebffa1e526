-- What touches are credited for: a customer becomes identified, an opportunity opens, an order is placed.
with identified as (
    select
        customer_id,
        cause_key,
        occurred_at,
        row_number() over (partition by customer_id order by transition_number) as leaving_rank
    from {{ ref('lifecycle_transitions') }}
    where from_stage = 'unidentified'
),

conversions as (
    select
        'identified' as conversion_set,
        cause_key as conversion_key,
        customer_id,
        occurred_at as converted_at,
        cast(0 as decimal(18, 2)) as amount
    from identified
    where leaving_rank = 1
    union all
    select 'opportunity', opportunity_id, customer_id, opened_at, coalesce(amount, 0)
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
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
    cast(c.amount as decimal(18, 2)) as amount,
    {{ add_days('c.converted_at', '-1 * p.lookback_days') }} as credit_from
from conversions as c
inner join {{ ref('attribution_conversions') }} as p on c.conversion_set = p.conversion_set
