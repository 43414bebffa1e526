-- Orders and refunds that count, as they stood in the night, with their customer, in the company's currency.
-- A negative amount is a refund. An order that was sent back is neither: it brought nothing.
with judged as (
    select
        s.record_key,
        s.source,
        s.source_record_id,
        s.status,
        s.currency,
        s.ordered_at,
        s.delivered_at,
        coalesce(p.effect, 'order') as effect,
        s.amount < 0 as is_negative,
        {{ converted(
            "case when p.effect = 'refund' then -1 * abs(s.amount) else s.amount end", 's.currency', 'x.rate'
        ) }} as amount
    from {{ ref('stg_lake__sales_order') }} as s
    left join {{ ref('order_statuses') }} as p on {{ lower_case('s.status') }} = p.status
    left join {{ ref('int_sales__exchange_rate') }} as x
        on s.currency = x.currency and s.ordered_at >= x.valid_from and s.ordered_at < x.valid_to
    where not coalesce(s.is_deleted, false)
)

select
    j.record_key as booking_id,
    c.customer_id,
    j.source,
    j.source_record_id,
    j.status,
    j.effect = 'refund' or coalesce(j.is_negative, false) as is_refund,
    cast(j.amount as decimal(18, 2)) as amount,
    j.is_negative is not null and j.amount is null as is_unconverted,
    j.currency,
    j.ordered_at as booked_at,
    case when j.delivered_at < {{ as_of() }} then j.delivered_at end as delivered_at
from judged as j
left join {{ ref('int_sales__order_customer') }} as c on j.record_key = c.record_key
where j.effect in ('order', 'refund') or (j.effect = 'returned' and j.is_negative)
