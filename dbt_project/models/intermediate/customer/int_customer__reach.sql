-- How a customer can be reached: the e-mail address and the phone number seen last, and since when.
-- Their own come before those they share; those that only deleted or merged records carry come last.
with theirs as (
    select customer_id, identifier_key, cast(null as bigint) as record_key, false as is_shared
    from {{ source('identity', 'customer_identifier') }}
    union all
    -- What a household shares is in nobody's name, yet each of them stated it. Not numbers that changed hands.
    select r.customer_id, i.identifier_key, i.record_key, true
    from {{ ref('identifier') }} as i
    inner join {{ source('identity', 'identifier_class') }} as k on i.identifier_key = k.identifier_key
    inner join {{ ref('int_customer__record') }} as r on i.record_key = r.record_key
    where k.identifier_class = 'shared' and k.reason <> 'recycled'
),

bounced as (
    select interaction_id
    from {{ ref('interaction') }}
    where interaction_class = 'bounce'
),

used as (
    select
        t.customer_id,
        i.identifier_type,
        i.identifier_value,
        i.identifier_key,
        bool_and(t.is_shared) as is_shared,
        min(coalesce(s.carried_since, i.seen_at)) as first_seen_at,
        max(case when c.record_key is null or not c.is_superseded then i.seen_at end) as last_seen_at
    from theirs as t
    inner join {{ ref('identifier') }} as i
        on t.identifier_key = i.identifier_key and (t.record_key is null or t.record_key = i.record_key)
    left join {{ ref('stg_lake__identifier_since') }} as s
        on i.record_key = s.record_key and i.identifier_key = s.identifier_key
    left join {{ ref('contact_record') }} as c on i.record_key = c.record_key
    left join bounced as b on i.record_key = b.interaction_id
    where i.identifier_type in ('email', 'phone') and i.is_valid and b.interaction_id is null
    group by t.customer_id, i.identifier_type, i.identifier_value, i.identifier_key
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, identifier_type
            order by is_shared asc, last_seen_at desc nulls last, identifier_key asc
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
