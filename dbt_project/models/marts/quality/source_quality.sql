-- What did each source deliver, and how much of it found its customer?
with records as (
    select record_key, source, 'contact_record' as entity, first_asserted_at as happened_at
    from {{ ref('contact_record') }}
    union all
    select interaction_id, source, 'interaction', occurred_at from {{ ref('interaction') }}
    union all
    select opportunity_id, source, 'opportunity', created_at from {{ ref('int_sales__opportunity') }}
    union all
    select order_id, source, 'sales_order', ordered_at from {{ ref('int_sales__order') }}
)

select
    cast(x.source as varchar) as source,
    cast(x.entity as varchar) as entity,
    count(*) as records,
    count(m.customer_id) as records_with_customer,
    min(x.happened_at) as first_at,
    max(x.happened_at) as last_at
from records as x
left join {{ ref('customer_identity_map') }} as m on x.record_key = m.record_key
group by x.source, x.entity
