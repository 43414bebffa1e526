-- What linkage compares: who a contact record says the person is, where they live and how they are reached.
{{ config(tags=['identity_input']) }}

with addresses as (
    select
        record_key,
        min(case when identifier_type = 'email' then identifier_value end) as email,
        min(case when identifier_type = 'phone' then identifier_value end) as phone
    from {{ ref('identifier') }}
    where is_valid and identifier_type in ('email', 'phone') and {{ is_contact_record('record_kind') }}
    group by record_key
)

select
    c.record_key,
    c.given_name,
    c.family_name,
    c.full_name,
    c.birth_date,
    c.address_line,
    c.postal_code,
    c.city,
    c.region,
    c.organisation,
    a.email,
    a.phone
from {{ ref('contact_record') }} as c
left join addresses as a on c.record_key = a.record_key
where c.record_kind <> 'account'
