-- Which customer does each source record belong to?
with mapped as (
    select c.record_key, c.source, c.record_kind, c.source_record_id, r.customer_id
    from {{ ref('contact_record') }} as c
    inner join {{ source('identity', 'customer_record') }} as r on c.record_key = r.record_key
    union all
    select interaction_id, source, 'interaction', source_record_id, customer_id
    from {{ ref('fct_interactions') }}
    where customer_id is not null
    union all
    select o.record_key, o.source, 'opportunity', o.source_record_id, c.customer_id
    from {{ ref('stg_lake__opportunity') }} as o
    inner join {{ ref('int_sales__opportunity_customer') }} as c on o.record_key = c.record_key
    union all
    select s.record_key, s.source, 'sales_order', s.source_record_id, c.customer_id
    from {{ ref('stg_lake__sales_order') }} as s
    inner join {{ ref('int_sales__order_customer') }} as c on s.record_key = c.record_key
)

select
    record_key,
    cast(source as {{ text_type() }}) as source,
    cast(record_kind as {{ text_type() }}) as record_kind,
    cast(source_record_id as {{ text_type() }}) as source_record_id,
    customer_id
from mapped
