-- The contract for people: one row per person-like record a source asserts. A blank states nothing.
select
    record_key,
    source,
    source_record_id,
    record_kind,
    nullif(trim(both ' ' from given_name), '') as given_name,
    nullif(trim(both ' ' from family_name), '') as family_name,
    coalesce(
        nullif(trim(both ' ' from full_name), ''),
        nullif(trim(both ' ' from coalesce(given_name, '') || ' ' || coalesce(family_name, '')), '')
    ) as full_name,
    nullif(trim(both ' ' from organisation), '') as organisation,
    nullif(trim(both ' ' from job_title), '') as job_title,
    nullif(trim(both ' ' from address_line), '') as address_line,
    nullif(trim(both ' ' from city), '') as city,
    nullif(trim(both ' ' from postal_code), '') as postal_code,
    nullif(trim(both ' ' from region), '') as region,
    nullif(trim(both ' ' from country), '') as country,
    birth_date,
    account_ref,
    {{ text_attribute('attributes', 'buying_role') }} as buying_role,
    nullif(trim(both ' ' from owner), '') as owner,
    nullif(trim(both ' ' from stated_stage), '') as stated_stage,
    nullif(trim(both ' ' from acquisition_source), '') as acquisition_source,
    nullif(trim(both ' ' from acquisition_detail), '') as acquisition_detail,
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
