-- What did each source deliver, and how much of it found its customer?
with contact_records as (
    {{ latest_version('contact_record', ['coalesce(created_at, observed_at, loaded_as_of) as happened_at']) }}
),

interactions as (
    {{ latest_version(
        'interaction', ['occurred_at as happened_at'], repeated=ref('stg_lake__repeated_interaction')
    ) }}
),

opportunities as (
    {{ latest_version('opportunity', ['coalesce(created_at, observed_at, loaded_as_of) as happened_at']) }}
),

orders as ({{ latest_version('sales_order', ['ordered_at as happened_at']) }}),

delivered as (
    select source, 'contact_record' as entity, batch_id, happened_at from contact_records
    union all
    select source, 'interaction', batch_id, happened_at from interactions
    union all
    select source, 'opportunity', batch_id, happened_at from opportunities
    union all
    select source, 'sales_order', batch_id, happened_at from orders
),

by_batch as (
    select source, entity, batch_id, count(*) as records, min(happened_at) as first_at, max(happened_at) as last_at
    from delivered
    group by source, entity, batch_id
),

by_source as (
    select
        source,
        entity,
        count(*) as batches,
        sum(records) as records,
        min(first_at) as first_at,
        max(last_at) as last_at
    from by_batch
    group by source, entity
),

with_customer as (
    select source, entity, count(*) as records
    from (
        select
            source,
            case when {{ is_contact_record('record_kind') }} then 'contact_record' else record_kind end as entity
        from {{ ref('customer_identity_map') }}
    ) as mapped
    group by source, entity
)

select
    cast(d.source as {{ text_type() }}) as source,
    cast(d.entity as {{ text_type() }}) as entity,
    d.batches,
    cast(d.records as bigint) as records,
    coalesce(c.records, 0) as records_with_customer,
    d.first_at,
    d.last_at
from by_source as d
left join with_customer as c on d.source = c.source and d.entity = c.entity
