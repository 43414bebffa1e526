-- What may tie a customer to an account: being it, the account a CRM names, the domain of their e-mail address,
-- the family and address they share. Which claims count is decided where all of them are known.
{{ config(meta={'slice': 'customer_id'}) }}

with named as (
    select
        customer_id,
        account_ref as reference,
        max(organisation) as account_name,
        min(first_asserted_at) as since,
        min(record_key) as record_key
    from {{ ref('int_customer__record') }}
    where account_ref is not null and record_kind <> 'account' and not is_superseded
    group by customer_id, account_ref
),

-- The organisations themselves, as their CRM knows them.
organisations as (
    select
        r.customer_id,
        i.identifier_value as reference,
        max(r.organisation) as account_name,
        min(r.first_asserted_at) as since,
        min(r.record_key) as record_key
    from {{ ref('int_customer__record') }} as r
    inner join {{ ref('identifier') }} as i on r.record_key = i.record_key
    where r.record_kind = 'account' and i.identifier_type = 'account_ref' and not r.is_superseded
    group by r.customer_id, i.identifier_value
),

mailboxes as (
    select
        h.customer_id,
        {{ lower_case("split_part(h.email, '@', 2)") }} as reference,
        p.organisation as account_name,
        h.reachable_since as since,
        h.email_record_key as record_key
    from {{ ref('int_customer__reach') }} as h
    inner join {{ ref('int_customer__profile') }} as p on h.customer_id = p.customer_id
    where h.email is not null and p.customer_kind = 'person'
),

homes as (
    select
        customer_id,
        {{ lower_case('family_name') }}
        || chr(31) || {{ lower_case('address_line') }}
        || chr(31) || {{ lower_case("coalesce(postal_code, city)") }} as reference,
        family_name as account_name
    from {{ ref('int_customer__profile') }}
    where
        family_name is not null and address_line is not null and coalesce(postal_code, city) is not null
        and organisation is null and customer_kind = 'person'
),

housed as (
    select customer_id, min(first_asserted_at) as since, min(record_key) as record_key
    from {{ ref('int_customer__record') }}
    where address_line is not null
    group by customer_id
),

claims as (
    select customer_id, 'account_ref' as basis, reference, account_name, since, record_key
    from named
    union all
    select customer_id, 'account_record' as basis, reference, account_name, since, record_key
    from organisations
    union all
    select m.customer_id, 'domain' as basis, m.reference, m.account_name, m.since, m.record_key
    from mailboxes as m
    left join {{ ref('mailbox_providers') }} as f on m.reference = f.domain
    where f.domain is null
    union all
    select h.customer_id, 'address' as basis, h.reference, h.account_name, r.since, r.record_key
    from homes as h
    inner join housed as r on h.customer_id = r.customer_id
)

select
    customer_id,
    cast(basis as {{ text_type() }}) as basis,
    {{ text_key(
        "case when basis = 'account_record' then 'account_ref' else basis end || ' ' || reference"
    ) }} as account_id,
    -- A household is not told of by name and address here: both stand in customer_360.
    cast(case when basis <> 'address' then reference end as {{ text_type() }}) as reference,
    cast(account_name as {{ text_type() }}) as account_name,
    since,
    record_key
from claims
