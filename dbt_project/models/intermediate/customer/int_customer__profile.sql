-- Who is the customer? Each group of fields from the record that survives by survivorship_rules.
with one_record as (
    select *
    from {{ ref('int_customer__record') }}
    where contact_records = 1
),

several_records as (
    select
        s.customer_id,
        max(case when s.field_group = 'name' then r.given_name end) as given_name,
        max(case when s.field_group = 'name' then r.family_name end) as family_name,
        max(case when s.field_group = 'name' then r.full_name end) as full_name,
        max(case when s.field_group = 'organisation' then r.organisation end) as organisation,
        max(case when s.field_group = 'job_title' then r.job_title end) as job_title,
        max(case when s.field_group = 'address' then r.address_line end) as address_line,
        max(case when s.field_group = 'address' then r.city end) as city,
        max(case when s.field_group = 'address' then r.postal_code end) as postal_code,
        max(case when s.field_group = 'address' then r.region end) as region,
        max(case when s.field_group = 'address' then r.country end) as country,
        max(case when s.field_group = 'owner' then r.owner end) as owner,
        max(case when s.field_group = 'self_reported_source' then r.acquisition_source end) as acquisition_source
    from {{ ref('int_customer__survivor') }} as s
    inner join {{ ref('int_customer__record') }} as r on s.record_key = r.record_key
    group by s.customer_id
),

stated as (
    select
        customer_id,
        given_name,
        family_name,
        full_name,
        organisation,
        job_title,
        address_line,
        city,
        postal_code,
        region,
        country,
        owner,
        acquisition_source
    from one_record
    union all
    select * from several_records
)

select
    c.customer_id,
    c.customer_kind,
    s.given_name,
    s.family_name,
    s.full_name,
    s.organisation,
    s.job_title,
    s.address_line,
    s.city,
    s.postal_code,
    s.region,
    s.country,
    s.owner,
    s.acquisition_source as self_reported_source
from {{ source('identity', 'customer') }} as c
left join stated as s on c.customer_id = s.customer_id
