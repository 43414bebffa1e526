-- Since when a person-like record carries each identifier: what its first known version states, since the
-- record's beginning; what a later version states, since it was said.
with versions as (
    select
        record_key,
        batch_id,
        row_number as source_row,
        coalesce(observed_at, loaded_as_of) as said_at,
        coalesce(created_at, observed_at, loaded_as_of) as begun_at,
        row_number() over (
            partition by record_key
            order by coalesce(observed_at, loaded_as_of), loaded_as_of, batch_id, row_number
        ) as age_rank
    from {{ source('lake', 'contact_record') }}
    where coalesce(created_at, observed_at) < {{ as_of() }} or coalesce(created_at, observed_at) is null
)

select
    i.record_key,
    i.identifier_key,
    min(case when v.age_rank = 1 then v.begun_at else v.said_at end) as carried_since
from {{ source('lake', 'identifier') }} as i
inner join versions as v
    on i.record_key = v.record_key and i.batch_id = v.batch_id and i.row_number = v.source_row
where
    {{ is_contact_record('i.record_kind') }}
    and (v.age_rank = 1 or v.said_at <= {{ as_of() }})
group by i.record_key, i.identifier_key
