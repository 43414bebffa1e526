-- Whose an order is: whom identity knows by its identifiers, of which the contact it names is one, else that
-- contact's, else the opportunity's, else the account's.
with opportunities as (
    select o.source, o.source_record_id, c.customer_id
    from {{ ref('stg_lake__opportunity') }} as o
    inner join {{ ref('int_sales__opportunity_customer') }} as c on o.record_key = c.record_key
),

resolved as (
    select s.record_key, coalesce(r.customer_id, c.customer_id, o.customer_id, a.customer_id) as customer_id
    from {{ ref('stg_lake__sales_order') }} as s
    left join {{ ref('int_sales__contact_customer') }} as c on s.contact_ref = c.contact_ref
    left join {{ source('identity', 'customer_record') }} as r on s.record_key = r.record_key
    left join opportunities as o on s.opportunity_ref = o.source_record_id and s.source = o.source
    left join {{ ref('int_sales__account_customer') }} as a on s.account_ref = a.account_ref
)

select record_key, customer_id
from resolved
where customer_id is not null
