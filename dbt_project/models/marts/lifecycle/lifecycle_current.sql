-- Where does each customer stand tonight, since when, and which programme follows from it?
{%- set dormant_from = add_days(
    'greatest(coalesce(c.last_contact_at, s.occurred_at), coalesce(n.last_order_at, s.occurred_at), s.occurred_at)',
    'd.days'
) %}
with standing as (
    select
        customer_id,
        to_stage,
        occurred_at,
        row_number() over (partition by customer_id order by transition_number desc) as recency_rank
    from {{ ref('lifecycle_transitions') }}
),

contacts as (
    select customer_id, max(occurred_at) as last_contact_at
    from {{ ref('fct_interactions') }}
    where interaction_class = 'person' and customer_id is not null
    group by customer_id
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

orders as (
    select customer_id, count(*) as order_count, max(ordered_at) as last_order_at
    from {{ ref('int_sales__order') }}
    where customer_id is not null
    group by customer_id
),

stated as ({{ newest(ref('int_customer__record'), ['stated_stage'], 'stated_stage') }}),

out_of_question as (
    select r.customer_id
    from stated as r
    inner join {{ ref('disqualified_stages') }} as d on {{ lower_case('r.stated_stage') }} = d.stated_stage
)

select
    s.customer_id,
    cast(s.to_stage as {{ text_type() }}) as stage,
    s.occurred_at as stage_since,
    cast(greatest(coalesce(n.order_count, 0), 1) as integer) as cycle,
    cast(p.programme as {{ text_type() }}) as programme,
    c.last_contact_at,
    {{ dormant_from }} as dormant_from,
    {{ dormant_from }} <= {{ as_of() }} as is_dormant,
    coalesce(o.lost_count, 0) > 0 and coalesce(o.open_count, 0) = 0
    and s.to_stage in ('unidentified', 'prospect') as is_lost,
    q.customer_id is not null and s.to_stage in ('unidentified', 'prospect') as is_disqualified,
    coalesce(o.open_count, 0) > 0 as has_open_opportunity
from standing as s
inner join {{ ref('lifecycle_stages') }} as p on s.to_stage = p.stage
inner join {{ ref('lifecycle_parameters') }} as d on d.parameter = 'dormant_after'
left join contacts as c on s.customer_id = c.customer_id
left join deals as o on s.customer_id = o.customer_id
left join orders as n on s.customer_id = n.customer_id
left join out_of_question as q on s.customer_id = q.customer_id
where s.recency_rank = 1
