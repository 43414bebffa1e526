-- Every record that counts tonight, where it came from and whose it is.
{{ config(meta={'slice': 'record_key'}) }}

with records as (
    select c.record_key, c.source, c.batch_id, 'contact_record' as entity, r.first_asserted_at as happened_at
    from {{ ref('stg_lake__contact_record') }} as c
    inner join {{ ref('contact_record') }} as r on c.record_key = r.record_key
    union all
    select record_key, source, batch_id, 'interaction', occurred_at from {{ ref('stg_lake__interaction') }}
    union all
    select record_key, source, batch_id, 'opportunity', coalesce(created_at, observed_at, loaded_as_of)
    from {{ ref('stg_lake__opportunity') }}
    union all
    select record_key, source, batch_id, 'sales_order', ordered_at from {{ ref('stg_lake__sales_order') }}
)

select x.record_key, x.source, x.entity, x.batch_id, x.happened_at, m.customer_id
from records as x
left join {{ ref('customer_identity_map') }} as m on x.record_key = m.record_key
