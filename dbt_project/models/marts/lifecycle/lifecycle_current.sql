-- Where does each customer stand tonight, since when, and which programme follows from it?
with programmes as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'programme']) }}
),

rules as (
    {{ rules_tonight(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

last_moves as (
    select customer_id, max(occurred_at) as occurred_at
    from {{ ref('lifecycle_transitions') }}
    group by customer_id
),

activity as (
    select customer_id, max(last_at) as last_at, max(last_contact_at) as last_contact_at
    from {{ ref('int_lifecycle__activity') }}
    group by customer_id
),

overlays as (
    select
        customer_id,
        min(case when overlay = 'dormant' then began_at end) as dormant_since,
        bool_or(overlay = 'lost') as is_lost,
        bool_or(overlay = 'disqualified') as is_disqualified,
        bool_or(overlay = 'has_open_opportunity') as has_open_opportunity
    from {{ ref('lifecycle_overlays') }}
    where ended_at is null
    group by customer_id
)

select
    h.customer_id,
    h.stage,
    m.occurred_at as stage_since,
    h.cycle,
    cast(p.programme as {{ text_type() }}) as programme,
    a.last_contact_at,
    coalesce(o.dormant_since, {{ add_days('a.last_at', 'd.value') }}) as dormant_from,
    o.dormant_since is not null as is_dormant,
    coalesce(o.is_lost, false) as is_lost,
    coalesce(o.is_disqualified, false) as is_disqualified,
    coalesce(o.has_open_opportunity, false) as has_open_opportunity
from {{ ref('lifecycle_history') }} as h
inner join last_moves as m on h.customer_id = m.customer_id
inner join programmes as p on h.stage = p.stage
inner join rules as d on d.parameter = 'dormant_after'
inner join activity as a on h.customer_id = a.customer_id
left join overlays as o on h.customer_id = o.customer_id
where h.ended_at is null
