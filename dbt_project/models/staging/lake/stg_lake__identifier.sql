-- Identifiers of every staged record, from the version of the record that was kept.
{{ config(meta={'slice': 'record_key'}) }}

with versions as (
    select record_key, batch_id, source_row, coalesce(observed_at, created_at, loaded_as_of) as seen_at
    from {{ ref('stg_lake__contact_record') }}
    union all
    select record_key, batch_id, source_row, occurred_at from {{ ref('stg_lake__interaction') }}
    union all
    select record_key, batch_id, source_row, coalesce(created_at, observed_at, loaded_as_of)
    from {{ ref('stg_lake__opportunity') }}
    union all
    select record_key, batch_id, source_row, ordered_at from {{ ref('stg_lake__sales_order') }}
)

select
    i.record_key,
    i.identifier_key,
    i.source,
    i.record_kind,
    i.identifier_type,
    i.identifier_value,
    min(v.seen_at) as seen_at,
    bool_and(i.is_valid) as is_valid
from {{ source('lake', 'identifier') }} as i
inner join versions as v
    on i.record_key = v.record_key and i.batch_id = v.batch_id and i.row_number = v.source_row
group by i.record_key, i.identifier_key, i.source, i.record_kind, i.identifier_type, i.identifier_value
