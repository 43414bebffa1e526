-- Everything that may move a customer to another stage, with the record that caused it. `cause_rank` orders
-- what happened in the same instant: an earlier order is delivered before the next one is placed.
with events as (
    select
        customer_id,
        'unidentified' as stage,
        first_seen_at as occurred_at,
        'first_contact' as cause,
        1 as cause_rank,
        record_key as cause_key,
        false as is_out_of_order
    from {{ ref('int_lifecycle__first_contact') }}
    union all
    select customer_id, 'prospect', judged_at, 'identified', 2, record_key, false
    from {{ ref('int_lifecycle__prospect') }}
    union all
    select customer_id, 'opportunity', opened_at, 'opportunity_opened', 3, opportunity_id, false
    from {{ ref('int_lifecycle__opportunity') }}
    union all
    select customer_id, 'prospect', lost_at, 'opportunity_lost', 4, opportunity_id, false
    from {{ ref('int_lifecycle__opportunity') }}
    where lost_at is not null
    union all
    select
        o.customer_id,
        'order_customer',
        o.ordered_at,
        'order_placed',
        6,
        o.order_id,
        coalesce(o.ordered_at < f.first_contacted_at, false)
    from {{ ref('int_sales__order') }} as o
    inner join {{ ref('int_lifecycle__first_contact') }} as f on o.customer_id = f.customer_id
    union all
    select
        customer_id,
        'user',
        greatest(ordered_at, delivered_at),
        'order_delivered',
        case when delivered_at > ordered_at then 5 else 7 end,
        order_id,
        delivered_at < ordered_at
    from {{ ref('int_sales__order') }}
    where customer_id is not null and delivered_at is not null
)

select customer_id, stage, occurred_at, cause, cause_rank, cause_key, is_out_of_order
from events
-- What bears no date happened in the night that loaded it, which may be this one.
where occurred_at <= {{ as_of() }}
