-- Contact records with their customer, the newest assertion of each customer first; those that were deleted
-- or merged into another come last.
select
    r.customer_id,
    c.record_key,
    c.source,
    c.record_kind,
    c.given_name,
    c.family_name,
    c.full_name,
    c.organisation,
    c.job_title,
    c.address_line,
    c.city,
    c.postal_code,
    c.region,
    c.country,
    c.account_ref,
    c.buying_role,
    c.owner,
    c.stated_stage,
    c.acquisition_source,
    c.consent,
    c.is_superseded,
    c.created_at,
    c.first_asserted_at,
    c.last_asserted_at,
    t.trust,
    count(*) over (partition by r.customer_id) as contact_records,
    row_number() over (
        partition by r.customer_id
        order by c.is_superseded asc, c.last_asserted_at desc, c.record_key asc
    ) as recency_rank
from {{ ref('contact_record') }} as c
inner join {{ source('identity', 'customer_record') }} as r on c.record_key = r.record_key
inner join {{ ref('int_customer__trust') }} as t on c.source = t.source and c.record_kind = t.record_kind
