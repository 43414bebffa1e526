-- Opportunities that were not deleted, as they stood in the night, with their customer, in the company's currency.
with judged as (
    select *, coalesce(is_closed, false) or coalesce(is_won, false) as is_ended
    from {{ ref('stg_lake__opportunity') }}
    where not coalesce(is_deleted, false)
),

-- Who learns of an opportunity only after its end takes the end for its beginning.
dated as (
    select
        *,
        coalesce(
            created_at,
            case when is_ended then least(closed_at, coalesce(observed_at, loaded_as_of)) end,
            observed_at,
            loaded_as_of
        ) as opened_at,
        case when is_ended then coalesce(closed_at, observed_at, loaded_as_of) end as ended_at
    from judged
)

select
    o.record_key as opportunity_id,
    c.customer_id,
    o.source,
    o.source_record_id,
    o.stage,
    cast({{ converted('o.amount', 'o.currency', 'x.rate') }} as decimal(18, 2)) as amount,
    o.amount is not null and {{ exchange_rate('o.currency', 'x.rate') }} is null as is_unconverted,
    o.currency,
    coalesce(o.ended_at < {{ as_of() }}, false) as is_closed,
    coalesce(o.ended_at < {{ as_of() }} and o.is_won, false) as is_won,
    o.owner,
    o.opened_at,
    -- Some systems date the end by the day: it is not earlier than the beginning.
    case when o.ended_at < {{ as_of() }} then greatest(o.opened_at, o.ended_at) end as closed_at
from dated as o
left join {{ ref('int_sales__opportunity_customer') }} as c on o.record_key = c.record_key
left join {{ ref('int_sales__exchange_rate') }} as x
    on o.currency = x.currency and o.opened_at >= x.valid_from and o.opened_at < x.valid_to
