-- Where does each customer stand tonight, since when, and which programme follows from it?
with standing as (
    select customer_id, to_stage, occurred_at, cycle
    from (
        select
            customer_id,
            to_stage,
            occurred_at,
            cycle,
            row_number() over (partition by customer_id order by transition_number desc) as recency_rank
        from {{ ref('lifecycle_transitions') }}
    ) as ranked
    where recency_rank = 1
),

contacts as (
    select r.customer_id, max(i.occurred_at) as last_contact_at
    from {{ ref('interaction') }} as i
    inner join {{ source('identity', 'customer_record') }} as r on i.interaction_id = r.record_key
    where i.interaction_class = 'person'
    group by r.customer_id
),

deals as (
    select
        customer_id,
        count(*) filter (where not is_closed) as open_count,
        count(*) filter (where is_closed and not is_won) as lost_count
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
    group by customer_id
),

judged as (
    select customer_id, max(case when lower(stated_stage) in ('disqualified', 'unqualified', 'closed - not converted') then 1 else 0 end) as is_out
    from {{ ref('int_customer__record') }}
    where recency_rank = 1
    group by customer_id
)

select
    s.customer_id,
    cast(s.to_stage as varchar) as stage,
    s.occurred_at as stage_since,
    s.cycle,
    cast(p.programme as varchar) as programme,
    c.last_contact_at,
    coalesce({{ add_days('coalesce(c.last_contact_at, s.occurred_at)', 'd.days') }} <= {{ as_of() }}, false) as is_dormant,
    coalesce(o.lost_count, 0) > 0 and coalesce(o.open_count, 0) = 0 and s.to_stage in ('unidentified', 'prospect') as is_lost,
    coalesce(j.is_out, 0) = 1 and s.to_stage in ('unidentified', 'prospect') as is_disqualified,
    coalesce(o.open_count, 0) > 0 as has_open_opportunity
from standing as s
inner join {{ ref('lifecycle_stages') }} as p on s.to_stage = p.stage
inner join {{ ref('lifecycle_parameters') }} as d on d.parameter = 'dormant_after'
left join contacts as c on s.customer_id = c.customer_id
left join deals as o on s.customer_id = o.customer_id
left join judged as j on s.customer_id = j.customer_id
