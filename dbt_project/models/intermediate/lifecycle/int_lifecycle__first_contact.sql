-- When each customer was first heard of, by which record, and when first in contact (deals apart). Every
-- customer has a row: a deal that was cancelled or deleted tells of them too.
with seen as (
    select customer_id, interaction_id as record_key, occurred_at as seen_at, occurred_at as contacted_at
    from {{ ref('fct_interactions') }}
    where customer_id is not null
    union all
    select customer_id, record_key, first_asserted_at, created_at
    from {{ ref('int_customer__record') }}
    union all
    select customer_id, opportunity_id, opened_at, cast(null as timestamp)
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
    union all
    select c.customer_id, o.record_key, coalesce(o.created_at, o.observed_at, o.loaded_as_of), cast(null as timestamp)
    from {{ ref('stg_lake__opportunity') }} as o
    inner join {{ ref('int_sales__opportunity_customer') }} as c on o.record_key = c.record_key
    union all
    select c.customer_id, s.record_key, s.ordered_at, cast(null as timestamp)
    from {{ ref('stg_lake__sales_order') }} as s
    inner join {{ ref('int_sales__order_customer') }} as c on s.record_key = c.record_key
),

earliest as (
    select customer_id, min(seen_at) as first_seen_at, min(contacted_at) as first_contacted_at
    from seen
    group by customer_id
)

select e.customer_id, e.first_seen_at, e.first_contacted_at, min(s.record_key) as record_key
from earliest as e
inner join seen as s on e.customer_id = s.customer_id and e.first_seen_at = s.seen_at
group by e.customer_id, e.first_seen_at, e.first_contacted_at
