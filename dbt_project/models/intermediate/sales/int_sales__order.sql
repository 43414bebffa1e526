-- Purchases: orders that were placed, and not cancelled, deleted or sent back. No refunds.
select
    booking_id as order_id,
    customer_id,
    source,
    source_record_id,
    status,
    amount,
    currency,
    booked_at as ordered_at,
    delivered_at
from {{ ref('int_sales__booking') }}
where not is_refund
