-- What is known of an identifier before anybody decides whose it is.
{{ config(tags=['identity_input']) }}

select
    identifier_key,
    min(identifier_type) as identifier_type,
    min(identifier_value) as identifier_value,
    bool_and(is_valid) as is_valid,
    count(*) as record_count,
    count(*) filter (where record_kind in ('contact', 'lead', 'user', 'form')) as person_record_count,
    count(*) filter (where record_kind = 'account') as account_record_count,
    min(seen_at) as first_seen_at,
    max(seen_at) as last_seen_at
from {{ ref('identifier') }}
group by identifier_key
