-- Everything that may move a customer to another stage, with the record that caused it.
with firsts as (
    select r.customer_id, x.record_key, x.seen_at
    from (
        select interaction_id as record_key, occurred_at as seen_at from {{ ref('interaction') }}
        union all
        select record_key, first_asserted_at from {{ ref('contact_record') }}
        union all
        select opportunity_id, created_at from {{ ref('int_sales__opportunity') }}
        union all
        select order_id, ordered_at from {{ ref('int_sales__order') }}
    ) as x
    inner join {{ source('identity', 'customer_record') }} as r on x.record_key = r.record_key
    where x.seen_at is not null
),

first_contact as (
    select customer_id, record_key, seen_at
    from (
        select
            customer_id,
            record_key,
            seen_at,
            row_number() over (partition by customer_id order by seen_at, record_key) as age_rank
        from firsts
    ) as ranked
    where age_rank = 1
),

named as (
    select customer_id, record_key, first_asserted_at
    from (
        select
            customer_id,
            record_key,
            first_asserted_at,
            row_number() over (partition by customer_id order by first_asserted_at, record_key) as age_rank
        from {{ ref('int_customer__record') }}
        where coalesce(full_name, organisation) is not null and first_asserted_at is not null
    ) as ranked
    where age_rank = 1
),

sold as (
    select customer_id, min(ordered_at) as first_ordered_at, min(delivered_at) as first_delivered_at
    from {{ ref('int_sales__order') }}
    where customer_id is not null
    group by customer_id
),

pursued as (
    select customer_id, min(created_at) as first_pursued_at
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
    group by customer_id
),

-- Reachable and named: judged a prospect, unless something higher came first.
prospects as (
    select n.customer_id, n.record_key, greatest(n.first_asserted_at, h.reachable_since) as judged_at
    from named as n
    inner join {{ ref('int_customer__reach') }} as h on n.customer_id = h.customer_id
    left join sold as s on n.customer_id = s.customer_id
    left join pursued as p on n.customer_id = p.customer_id
    where
        h.reachable_since is not null
        and (
            s.first_ordered_at is null
            or greatest(n.first_asserted_at, h.reachable_since) < s.first_ordered_at
        )
        and (
            p.first_pursued_at is null
            or greatest(n.first_asserted_at, h.reachable_since) < p.first_pursued_at
        )
),

-- Before the first order an opportunity is a stage; after it, an overlay.
opportunities as (
    select o.customer_id, o.opportunity_id, o.created_at, o.closed_at, o.is_closed, o.is_won
    from {{ ref('int_sales__opportunity') }} as o
    left join sold as s on o.customer_id = s.customer_id
    where
        o.customer_id is not null and o.created_at is not null
        and (s.first_ordered_at is null or o.created_at < s.first_ordered_at)
),

-- A lost opportunity goes back to nurture, unless another is open or an order came meanwhile.
lost as (
    select l.customer_id, l.opportunity_id, l.closed_at
    from opportunities as l
    left join sold as s on l.customer_id = s.customer_id
    where
        l.is_closed and not l.is_won and l.closed_at >= l.created_at
        and (s.first_ordered_at is null or l.closed_at < s.first_ordered_at)
        and not exists (
            select 1
            from opportunities as o
            where
                o.customer_id = l.customer_id and o.opportunity_id <> l.opportunity_id
                and o.created_at <= l.closed_at
                and (not o.is_closed or o.is_won or o.closed_at > l.closed_at)
        )
)

select customer_id, 'unidentified' as stage, seen_at as occurred_at, 'first_contact' as cause, record_key as cause_key
from first_contact
union all
select customer_id, 'prospect', judged_at, 'identified', record_key from prospects
union all
select customer_id, 'opportunity', created_at, 'opportunity_opened', opportunity_id from opportunities
union all
select customer_id, 'prospect', closed_at, 'opportunity_lost', opportunity_id from lost
union all
select customer_id, 'order_customer', ordered_at, 'order_placed', order_id
from {{ ref('int_sales__order') }}
where customer_id is not null
union all
select customer_id, 'user', greatest(ordered_at, delivered_at), 'order_delivered', order_id
from {{ ref('int_sales__order') }}
where customer_id is not null and delivered_at is not null
