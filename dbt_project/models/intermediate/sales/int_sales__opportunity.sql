-- Opportunities that were not deleted, as they stood in the night, with their customer.
with dated as (
    select
        *,
        coalesce(created_at, observed_at, loaded_as_of) as opened_at,
        coalesce(closed_at, observed_at, loaded_as_of) as ended_at
    from {{ ref('stg_lake__opportunity') }}
    where not coalesce(is_deleted, false)
)

select
    o.record_key as opportunity_id,
    c.customer_id,
    o.source,
    o.source_record_id,
    o.stage,
    cast(o.amount as decimal(18, 2)) as amount,
    o.currency,
    coalesce(o.is_closed, false) and o.ended_at < {{ as_of() }} as is_closed,
    coalesce(o.is_closed, false) and o.ended_at < {{ as_of() }} and coalesce(o.is_won, false) as is_won,
    o.owner,
    o.opened_at,
    -- Some systems date the end by the day: it is not earlier than the beginning.
    case
        when coalesce(o.is_closed, false) and o.ended_at < {{ as_of() }} then greatest(o.opened_at, o.ended_at)
    end as closed_at
from dated as o
left join {{ ref('int_sales__opportunity_customer') }} as c on o.record_key = c.record_key
