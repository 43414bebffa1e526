-- The map's records are those that customer_360 counts, and nobody is made of nothing.
with mapped as (
    select customer_id, count(*) as records
    from {{ ref('customer_identity_map') }}
    group by customer_id
)

select c.customer_id, m.customer_id as mapped_id
from {{ ref('customer_360') }} as c
full outer join mapped as m on c.customer_id = m.customer_id
where c.records is distinct from m.records
