-- Who the customer is: each group of fields from the newest record that states it.
with names as ({{ newest(ref('int_customer__record'), ['given_name', 'family_name', 'full_name'], 'full_name') }}),

organisations as ({{ newest(ref('int_customer__record'), ['organisation'], 'organisation') }}),

titles as ({{ newest(ref('int_customer__record'), ['job_title'], 'job_title') }}),

addresses as (
    {{ newest(
        ref('int_customer__record'),
        ['address_line', 'city', 'postal_code', 'region', 'country'],
        "coalesce(address_line, city, postal_code, region, country)"
    ) }}
),

owners as ({{ newest(ref('int_customer__record'), ['owner'], 'owner') }}),

stated as (
    select customer_id, acquisition_source as self_reported_source
    from (
        select
            customer_id,
            acquisition_source,
            row_number() over (
                partition by customer_id
                order by first_asserted_at, record_key
            ) as age_rank
        from {{ ref('int_customer__record') }}
        where acquisition_source is not null
    ) as ranked
    where age_rank = 1
)

select
    c.customer_id,
    c.customer_kind,
    n.given_name,
    n.family_name,
    n.full_name,
    o.organisation,
    t.job_title,
    a.address_line,
    a.city,
    a.postal_code,
    a.region,
    a.country,
    w.owner,
    s.self_reported_source
from {{ source('identity', 'customer') }} as c
left join names as n on c.customer_id = n.customer_id
left join organisations as o on c.customer_id = o.customer_id
left join titles as t on c.customer_id = t.customer_id
left join addresses as a on c.customer_id = a.customer_id
left join owners as w on c.customer_id = w.customer_id
left join stated as s on c.customer_id = s.customer_id
