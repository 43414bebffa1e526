-- Orders that were placed and not cancelled or deleted, as they stood in the night, with their customer.
select
    s.record_key as order_id,
    c.customer_id,
    s.source,
    s.source_record_id,
    s.status,
    cast(s.amount as decimal(18, 2)) as amount,
    s.currency,
    s.ordered_at,
    case when s.delivered_at < {{ as_of() }} then s.delivered_at end as delivered_at
from {{ ref('stg_lake__sales_order') }} as s
left join {{ ref('int_sales__order_customer') }} as c on s.record_key = c.record_key
left join {{ ref('order_statuses') }} as p on {{ lower_case('s.status') }} = p.status
where not coalesce(s.is_deleted, false) and coalesce(p.is_placed, true)
