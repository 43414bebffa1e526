-- Since when a customer is a prospect: reachable, with a name or an organisation. Empty for those who were
-- an opportunity or an order customer by then.
with named as (
    select
        customer_id,
        record_key,
        first_asserted_at,
        row_number() over (partition by customer_id order by first_asserted_at, record_key) as age_rank
    from {{ ref('int_customer__record') }}
    where coalesce(full_name, organisation) is not null
),

dealt as (
    select customer_id, min(dealt_at) as first_dealt_at
    from (
        select customer_id, opened_at as dealt_at from {{ ref('int_sales__opportunity') }}
        union all
        select customer_id, ordered_at from {{ ref('int_sales__order') }}
    ) as deals
    group by customer_id
)

select n.customer_id, n.record_key, greatest(n.first_asserted_at, r.reachable_since) as judged_at
from named as n
inner join {{ ref('int_customer__reach') }} as r on n.customer_id = r.customer_id
left join dealt as d on n.customer_id = d.customer_id
where
    n.age_rank = 1
    and r.reachable_since is not null
    and (d.first_dealt_at is null or greatest(n.first_asserted_at, r.reachable_since) < d.first_dealt_at)
