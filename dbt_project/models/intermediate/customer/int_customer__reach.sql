-- How a customer can be reached: the e-mail address and the phone number seen last, and since when.
with used as (
    select
        c.customer_id,
        i.identifier_type,
        i.identifier_value,
        i.identifier_key,
        min(i.seen_at) as first_seen_at,
        max(i.seen_at) as last_seen_at
    from {{ source('identity', 'customer_identifier') }} as c
    inner join {{ ref('identifier') }} as i on c.identifier_key = i.identifier_key
    where i.identifier_type in ('email', 'phone') and i.is_valid
    group by c.customer_id, i.identifier_type, i.identifier_value, i.identifier_key
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, identifier_type
            order by last_seen_at desc nulls last, identifier_key asc
        ) as recency_rank
    from used
)

select
    customer_id,
    max(case when identifier_type = 'email' and recency_rank = 1 then identifier_value end) as email,
    max(case when identifier_type = 'phone' and recency_rank = 1 then identifier_value end) as phone,
    min(first_seen_at) as reachable_since
from ranked
group by customer_id
