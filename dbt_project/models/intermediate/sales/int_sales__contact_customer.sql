-- The customer a deal means when it names a contact: whoever holds that contact's own reference.
select i.identifier_value as contact_ref, min(r.customer_id) as customer_id
from {{ ref('identifier') }} as i
inner join {{ source('identity', 'customer_record') }} as r on i.record_key = r.record_key
where i.identifier_type = 'account_ref' and i.record_kind in ('contact', 'lead', 'user', 'form')
group by i.identifier_value
