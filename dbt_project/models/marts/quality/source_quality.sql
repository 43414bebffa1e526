-- What did each source deliver, and how much of it found its customer?
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

select
    cast(x.source as {{ text_type() }}) as source,
    cast(x.entity as {{ text_type() }}) as entity,
    count(distinct x.batch_id) as batches,
    count(*) as records,
    count(m.customer_id) as records_with_customer,
    min(x.happened_at) as first_at,
    max(x.happened_at) as last_at
from records as x
left join {{ ref('customer_identity_map') }} as m on x.record_key = m.record_key
group by x.source, x.entity
