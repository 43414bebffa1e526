-- What a record says of who the person is: facts from contact records, hints from interactions.
{{ config(tags=['identity_input']) }}

select
    record_key,
    record_kind,
    source,
    given_name,
    family_name,
    full_name,
    organisation,
    cast(null as {{ text_type() }}) as name_hint,
    birth_date,
    account_ref,
    last_asserted_at as seen_at
from {{ ref('contact_record') }}
union all
select
    interaction_id as record_key,
    'interaction' as record_kind,
    source,
    cast(null as {{ text_type() }}) as given_name,
    cast(null as {{ text_type() }}) as family_name,
    cast(null as {{ text_type() }}) as full_name,
    cast(null as {{ text_type() }}) as organisation,
    name_hint,
    cast(null as date) as birth_date,
    cast(null as {{ text_type() }}) as account_ref,
    occurred_at as seen_at
from {{ ref('interaction') }}
where name_hint is not null
