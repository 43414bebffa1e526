-- Identifiers of every staged record, from the version of the record that was kept.
{{ config(meta={'slice': 'record_key'}) }}

-- Which batch a row came in is looked at only where a record has several versions: it is a long text.
with versions as (
    select record_key, version_batch, source_row, coalesce(observed_at, created_at, loaded_as_of) as seen_at
    from {{ ref('stg_lake__contact_record') }}
    union all
    select record_key, version_batch, source_row, occurred_at from {{ ref('stg_lake__interaction') }}
    union all
    select record_key, version_batch, source_row, coalesce(created_at, observed_at, loaded_as_of)
    from {{ ref('stg_lake__opportunity') }}
    union all
    select record_key, version_batch, source_row, ordered_at from {{ ref('stg_lake__sales_order') }}
),

-- An identifier stands once in most records: only those that repeat one are put together.
repeated as (
    select record_key as repeated_record, identifier_key as repeated_key
    from {{ source('lake', 'identifier') }}
    group by record_key, identifier_key
    having count(*) > 1
),

kept as (
    select
        i.record_key,
        i.identifier_key,
        i.source,
        i.record_kind,
        i.identifier_type,
        i.identifier_value,
        v.seen_at,
        i.is_valid,
        r.repeated_key is not null as is_repeated
    from {{ source('lake', 'identifier') }} as i
    inner join versions as v
        on
            i.record_key = v.record_key
            and i.row_number = v.source_row
            and (v.version_batch is null or i.batch_id = v.version_batch)
    left join repeated as r on i.record_key = r.repeated_record and i.identifier_key = r.repeated_key
)

select record_key, identifier_key, source, record_kind, identifier_type, identifier_value, seen_at, is_valid
from kept
where not is_repeated
union all
select
    record_key,
    identifier_key,
    source,
    record_kind,
    identifier_type,
    identifier_value,
    min(seen_at) as seen_at,
    bool_and(is_valid) as is_valid
from kept
where is_repeated
group by record_key, identifier_key, source, record_kind, identifier_type, identifier_value
