-- Which source record does each field of customer_360 come from, and why from this one?
with one_record as (
    select
        customer_id,
        record_key,
        {{ all_stated_fields() }} as fields,
        source,
        last_asserted_at as observed_at,
        'only' as survivorship_rule,
        1 as competing_values
    from {{ ref('int_customer__record') }}
    where contact_records = 1
),

several_records as (
    select
        s.customer_id,
        s.record_key,
        {{ surviving_fields('s.field_group', 'r.') }} as fields,
        min(r.source) as source,
        min(r.last_asserted_at) as observed_at,
        s.survivorship_rule,
        s.competing_values
    from {{ ref('int_customer__survivor') }} as s
    inner join {{ ref('int_customer__record') }} as r on s.record_key = r.record_key
    group by s.customer_id, s.record_key, s.survivorship_rule, s.competing_values
),

taken as (
    select * from one_record
    union all
    select * from several_records
    union all
    select customer_id, email_record_key, 'email,', email_source, email_observed_at, email_rule, email_values
    from {{ ref('int_customer__reach') }}
    where email is not null
    union all
    select customer_id, phone_record_key, 'phone,', phone_source, phone_observed_at, phone_rule, phone_values
    from {{ ref('int_customer__reach') }}
    where phone is not null
)

select
    customer_id,
    cast(trim(trailing ',' from fields) as {{ text_type() }}) as fields,
    record_key,
    cast(source as {{ text_type() }}) as source,
    observed_at,
    cast(survivorship_rule as {{ text_type() }}) as survivorship_rule,
    cast(competing_values as integer) as competing_values
from taken
where fields <> ''
