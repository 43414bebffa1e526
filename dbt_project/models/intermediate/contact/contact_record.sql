-- The contract for people: one row per person-like record a source asserts.
select
    record_key,
    source,
    source_record_id,
    record_kind,
    nullif(given_name, '') as given_name,
    nullif(family_name, '') as family_name,
    coalesce(
        nullif(full_name, ''),
        nullif(trim(both ' ' from coalesce(given_name, '') || ' ' || coalesce(family_name, '')), '')
    ) as full_name,
    nullif(organisation, '') as organisation,
    job_title,
    address_line,
    city,
    postal_code,
    region,
    country,
    birth_date,
    account_ref,
    owner,
    stated_stage,
    acquisition_source,
    acquisition_detail,
    coalesce(is_deleted, false) as is_deleted,
    merged_into,
    consent,
    created_at,
    observed_at,
    -- A source that dates nothing is known from the night that loaded it.
    coalesce(created_at, observed_at, loaded_as_of) as first_asserted_at,
    coalesce(observed_at, created_at, loaded_as_of) as last_asserted_at
from {{ ref('stg_lake__contact_record') }}
