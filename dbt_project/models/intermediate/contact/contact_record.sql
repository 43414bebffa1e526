-- The contract for people: one row per person-like record a source asserts. A blank states nothing.
select
    record_key,
    source,
    source_record_id,
    record_kind,
    nullif(trim(given_name), '') as given_name,
    nullif(trim(family_name), '') as family_name,
    coalesce(
        nullif(trim(full_name), ''),
        nullif(trim(coalesce(given_name, '') || ' ' || coalesce(family_name, '')), '')
    ) as full_name,
    nullif(trim(organisation), '') as organisation,
    nullif(trim(job_title), '') as job_title,
    nullif(trim(address_line), '') as address_line,
    nullif(trim(city), '') as city,
    nullif(trim(postal_code), '') as postal_code,
    nullif(trim(region), '') as region,
    nullif(trim(country), '') as country,
    birth_date,
    account_ref,
    nullif(trim(owner), '') as owner,
    nullif(trim(stated_stage), '') as stated_stage,
    nullif(trim(acquisition_source), '') as acquisition_source,
    nullif(trim(acquisition_detail), '') as acquisition_detail,
    is_deleted,
    merged_into,
    is_deleted or merged_into is not null as is_superseded,
    consent,
    created_at,
    observed_at,
    -- A source that dates nothing is known from the night that loaded it.
    coalesce(created_at, observed_at, loaded_as_of) as first_asserted_at,
    coalesce(observed_at, created_at, loaded_as_of) as last_asserted_at
from {{ ref('stg_lake__contact_record') }}
