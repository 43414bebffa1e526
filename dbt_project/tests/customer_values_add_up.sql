-- What all customers bought, plan to buy and said is what was booked, planned and heard of customers.
with parts as (
    select orders, revenue, open_opportunity_amount as planned, interactions as contacts
    from {{ ref('customer_360') }}
    union all
    select case when is_refund then 0 else -1 end, -1 * coalesce(amount, 0), 0, 0
    from {{ ref('int_sales__booking') }}
    where customer_id is not null
    union all
    select 0, 0, -1 * coalesce(amount, 0), 0
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null and not is_closed
    union all
    select 0, 0, 0, -1
    from {{ ref('fct_interactions') }}
    where customer_id is not null and interaction_class in ('person', 'bulk')
)

select
    sum(orders) as orders,
    sum(revenue) as revenue,
    sum(planned) as planned,
    sum(contacts) as contacts
from parts
having sum(orders) <> 0 or sum(revenue) <> 0 or sum(planned) <> 0 or sum(contacts) <> 0
