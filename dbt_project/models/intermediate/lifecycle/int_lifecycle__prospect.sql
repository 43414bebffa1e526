-- Since when a customer is a prospect: reachable, and with a name or an organisation where the rule of that time
-- asks for one. Empty for those who were an opportunity or an order customer by then.
with rules as (
    {{ dated_rules(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

named as (
    select
        customer_id,
        record_key,
        first_asserted_at,
        row_number() over (partition by customer_id order by first_asserted_at, record_key) as age_rank
    from {{ ref('int_customer__record') }}
    where coalesce(full_name, organisation) is not null
),

-- Whoever met a rule before it came into force is a prospect from then on.
judged as (
    select
        r.customer_id,
        n.record_key,
        greatest(r.reachable_since, p.valid_from, case when p.value = 1 then n.first_asserted_at end) as judged_at,
        p.valid_to
    from {{ ref('int_customer__reach') }} as r
    left join named as n on r.customer_id = n.customer_id and n.age_rank = 1
    inner join rules as p on p.parameter = 'prospect_needs_name' and (p.value = 0 or n.customer_id is not null)
    where r.reachable_since is not null
),

earliest as (
    select customer_id, record_key, min(judged_at) as judged_at
    from judged
    where judged_at < valid_to
    group by customer_id, record_key
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

select e.customer_id, coalesce(e.record_key, f.record_key) as record_key, e.judged_at
from earliest as e
inner join {{ ref('int_lifecycle__first_contact') }} as f on e.customer_id = f.customer_id
left join dealt as d on e.customer_id = d.customer_id
where d.first_dealt_at is null or e.judged_at < d.first_dealt_at
