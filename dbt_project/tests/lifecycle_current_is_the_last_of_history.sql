-- Where history is open, there the customer stands; so it is with what lies on the stage.
with open_stays as (
    select *
    from {{ ref('lifecycle_history') }}
    where ended_at is null
),

open_overlays as (
    select
        customer_id,
        bool_or(overlay = 'dormant') as is_dormant,
        bool_or(overlay = 'lost') as is_lost,
        bool_or(overlay = 'disqualified') as is_disqualified,
        bool_or(overlay = 'has_open_opportunity') as has_open_opportunity
    from {{ ref('lifecycle_overlays') }}
    where ended_at is null
    group by customer_id
)

select c.customer_id, h.customer_id as in_history
from {{ ref('lifecycle_current') }} as c
full outer join open_stays as h on c.customer_id = h.customer_id
left join open_overlays as o on c.customer_id = o.customer_id
where
    c.customer_id is null
    or h.customer_id is null
    or c.stage <> h.stage
    or c.cycle <> h.cycle
    or c.is_dormant <> coalesce(o.is_dormant, false)
    or c.is_lost <> coalesce(o.is_lost, false)
    or c.is_disqualified <> coalesce(o.is_disqualified, false)
    or c.has_open_opportunity <> coalesce(o.has_open_opportunity, false)
    or c.is_dormant <> (c.dormant_from <= {{ as_of() }})
