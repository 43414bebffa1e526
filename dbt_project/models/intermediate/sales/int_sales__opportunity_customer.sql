-- Whose an opportunity is: whom identity knows by its identifiers, of which the contact it names is one, else
-- that contact's, else the account's.
select o.record_key, coalesce(r.customer_id, c.customer_id, a.customer_id) as customer_id
from {{ ref('stg_lake__opportunity') }} as o
left join {{ ref('int_sales__contact_customer') }} as c on o.contact_ref = c.contact_ref
left join {{ source('identity', 'customer_record') }} as r on o.record_key = r.record_key
left join {{ ref('int_sales__account_customer') }} as a on o.account_ref = a.account_ref
where coalesce(r.customer_id, c.customer_id, a.customer_id) is not null
