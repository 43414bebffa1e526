-- First and last sign of life of a customer in each stretch of time: a contact by a person, an order, another stage.
-- A stretch is no longer than the shortest silence that counts, so that none lies within one.
with stretch as (
    select min(value) as days
    from {{ ref('lifecycle_parameters') }}
    where parameter = 'dormant_after'
),

signs as (
    select customer_id, occurred_at, occurred_at as contacted_at
    from {{ ref('fct_interactions') }}
    where interaction_class = 'person' and customer_id is not null
    union all
    select customer_id, ordered_at, cast(null as timestamp)
    from {{ ref('int_sales__order') }}
    where customer_id is not null
    union all
    select customer_id, occurred_at, cast(null as timestamp)
    from {{ ref('lifecycle_transitions') }}
),

numbered as (
    select
        s.*,
        {{ int_div(days_between("cast('0001-01-01' as timestamp)", 's.occurred_at'), 'p.days') }} as stretch_number
    from signs as s
    cross join stretch as p
)

select
    customer_id,
    stretch_number,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at,
    max(contacted_at) as last_contact_at
from numbered
group by customer_id, stretch_number
