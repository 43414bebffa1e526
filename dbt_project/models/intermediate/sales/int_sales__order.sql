-- Orders with their customer: the contact's, else the opportunity's, else the account's.
select
    s.record_key as order_id,
    coalesce(r.customer_id, o.customer_id, a.customer_id) as customer_id,
    s.source,
    s.source_record_id,
    s.status,
    cast(s.amount as decimal(18, 2)) as amount,
    s.currency,
    s.ordered_at,
    case when s.delivered_at < {{ as_of() }} then s.delivered_at end as delivered_at
from {{ ref('stg_lake__sales_order') }} as s
left join {{ source('identity', 'customer_record') }} as r on s.record_key = r.record_key
left join {{ ref('int_sales__opportunity') }} as o
    on s.opportunity_ref = o.source_record_id and s.source = o.source
left join {{ ref('int_sales__account_customer') }} as a on s.account_ref = a.account_ref
where not coalesce(s.is_deleted, false)
