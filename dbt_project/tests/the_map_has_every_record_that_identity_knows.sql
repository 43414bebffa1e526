-- Every record that identity gave a customer is in the map, with that customer.
select r.record_key
from {{ source('identity', 'customer_record') }} as r
left join {{ ref('customer_identity_map') }} as m on r.record_key = m.record_key
where m.customer_id is distinct from r.customer_id
