-- Every customer stands once in the agreement of tracked and stated sources.
with told as (
    select coalesce(sum(customers), 0) as customers
    from {{ ref('source_agreement') }}
),

living as (
    select count(*) as customers
    from {{ ref('customer_360') }}
)

select t.customers as told, l.customers as living
from told as t
cross join living as l
where t.customers <> l.customers
