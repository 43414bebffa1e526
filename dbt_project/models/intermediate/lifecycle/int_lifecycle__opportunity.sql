-- Opportunities as a stage: opened before the first order (after it they are an overlay), and whether
-- losing one sends the customer back to nurture: not while another is open or won.
with ordered as (
    select customer_id, min(ordered_at) as first_ordered_at
    from {{ ref('int_sales__order') }}
    group by customer_id
),

opened as (
    select
        o.customer_id,
        o.opportunity_id,
        o.opened_at,
        o.closed_at,
        o.is_closed,
        o.is_won,
        coalesce(o.closed_at >= s.first_ordered_at, false) as is_overtaken
    from {{ ref('int_sales__opportunity') }} as o
    left join ordered as s on o.customer_id = s.customer_id
    where o.customer_id is not null and (s.first_ordered_at is null or o.opened_at < s.first_ordered_at)
),

held as (
    select distinct l.opportunity_id
    from opened as l
    inner join opened as o on l.customer_id = o.customer_id and l.closed_at >= o.opened_at
    where l.opportunity_id <> o.opportunity_id and (o.is_won or not o.is_closed or o.closed_at > l.closed_at)
)

select
    o.customer_id,
    o.opportunity_id,
    o.opened_at,
    case
        when o.is_closed and not o.is_won and not o.is_overtaken and h.opportunity_id is null then o.closed_at
    end as lost_at
from opened as o
left join held as h on o.opportunity_id = h.opportunity_id
