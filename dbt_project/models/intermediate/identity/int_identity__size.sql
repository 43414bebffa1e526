-- How many customers have how many identifiers, and how many have as many or fewer?
{{ config(tags=['whole']) }}
select
    identifiers,
    customers,
    sum(customers) over (order by identifiers rows between unbounded preceding and current row) as up_to,
    sum(customers) over () as total
from {{ ref('int_identity__customer_count') }}
