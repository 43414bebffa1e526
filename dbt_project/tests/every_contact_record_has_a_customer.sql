select c.record_key
from {{ ref('contact_record') }} as c
left join {{ ref('customer_identity_map') }} as m on c.record_key = m.record_key
where m.customer_id is null
