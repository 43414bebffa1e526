-- Which customer does each source record belong to?
with records as (
    select record_key, source, record_kind, source_record_id from {{ ref('contact_record') }}
    union all
    select interaction_id, source, 'interaction', source_record_id from {{ ref('interaction') }}
    union all
    select record_key, source, 'opportunity', source_record_id from {{ ref('stg_lake__opportunity') }}
    union all
    select record_key, source, 'sales_order', source_record_id from {{ ref('stg_lake__sales_order') }}
),

assigned as (
    select record_key, customer_id from {{ source('identity', 'customer_record') }}
    union all
    -- Deals that name only an account belong to whoever stands for it.
    select o.opportunity_id, o.customer_id
    from {{ ref('int_sales__opportunity') }} as o
    left join {{ source('identity', 'customer_record') }} as r on o.opportunity_id = r.record_key
    where r.record_key is null and o.customer_id is not null
    union all
    select s.order_id, s.customer_id
    from {{ ref('int_sales__order') }} as s
    left join {{ source('identity', 'customer_record') }} as r on s.order_id = r.record_key
    where r.record_key is null and s.customer_id is not null
)

select
    x.record_key,
    cast(x.source as varchar) as source,
    cast(x.record_kind as varchar) as record_kind,
    cast(x.source_record_id as varchar) as source_record_id,
    a.customer_id
from records as x
inner join assigned as a on x.record_key = a.record_key
