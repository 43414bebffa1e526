-- E-mail addresses and phone numbers by which a customer can be reached: since when, when and how often seen, by
-- whose word, and whether others share them. `last_seen_at` is empty where only deleted or merged records carry it.
with addresses as (
    select record_key, identifier_key, record_kind, seen_at
    from {{ ref('identifier') }}
    where identifier_type in ('email', 'phone') and is_valid
),

-- Since when a contact record states an address, and whether it still does; of others, that it was used.
uses as (
    select
        a.record_key,
        a.identifier_key,
        coalesce(s.carried_since, a.seen_at) as first_seen_at,
        case when c.record_key is null or not c.is_superseded then a.seen_at end as last_seen_at,
        t.trust
    from addresses as a
    left join {{ ref('stg_lake__identifier_since') }} as s
        on a.record_key = s.record_key and a.identifier_key = s.identifier_key
    left join {{ ref('contact_record') }} as c on a.record_key = c.record_key
    left join {{ ref('int_customer__trust') }} as t on c.source = t.source and c.record_kind = t.record_kind
    where {{ is_contact_record('a.record_kind') }}
    union all
    select
        a.record_key,
        a.identifier_key,
        a.seen_at as first_seen_at,
        a.seen_at as last_seen_at,
        null as trust
    from addresses as a
    left join {{ ref('fct_interactions') }} as i on a.record_key = i.interaction_id and i.interaction_class = 'bounce'
    where not {{ is_contact_record('a.record_kind') }} and i.interaction_id is null
),

theirs as (
    select t.customer_id, u.*, false as is_shared
    from uses as u
    inner join {{ source('identity', 'customer_identifier') }} as t on u.identifier_key = t.identifier_key
    union all
    -- What a household shares is in nobody's name, yet each of them stated it. Not numbers that changed hands.
    select r.customer_id, u.*, true as is_shared
    from uses as u
    inner join {{ source('identity', 'identifier_class') }} as k
        on u.identifier_key = k.identifier_key and k.identifier_class = 'shared' and k.reason <> 'recycled'
    inner join {{ ref('int_customer__record') }} as r on u.record_key = r.record_key
),

-- Numbers are put together first: texts are looked up once, in the record that counts.
reached as (
    select
        customer_id,
        identifier_key,
        bool_and(is_shared) as is_shared,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        {{ newest_by('record_key', 'last_seen_at', 'record_key') }} as record_key,
        count(*) as frequency,
        coalesce(max(trust), 0) as trust
    from theirs
    group by customer_id, identifier_key
)

select
    r.customer_id,
    r.identifier_key,
    a.identifier_type,
    a.identifier_value,
    r.is_shared,
    r.first_seen_at,
    r.last_seen_at,
    r.record_key,
    a.source,
    r.frequency,
    r.trust
from reached as r
inner join {{ ref('identifier') }} as a on r.record_key = a.record_key and r.identifier_key = a.identifier_key
