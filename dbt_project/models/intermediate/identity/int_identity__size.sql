-- How many customers have how many identifiers, as counted tonight, and how many have as many or fewer?
{{ config(tags=['whole']) }}

with counted as (
    select identifiers, count(*) as customers
    from (
        select customer_id, count(*) as identifiers
        from {{ source('identity', 'customer_identifier') }}
        group by customer_id
    ) as by_customer
    group by identifiers
)

select
    identifiers,
    customers,
    sum(customers) over (order by identifiers rows between unbounded preceding and current row) as up_to,
    sum(customers) over () as total
from counted
