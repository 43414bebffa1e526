-- Opportunities with their customer: the contact's, else the account's.
select
    o.record_key as opportunity_id,
    coalesce(r.customer_id, a.customer_id) as customer_id,
    o.source,
    o.source_record_id,
    o.stage,
    cast(o.amount as decimal(18, 2)) as amount,
    o.currency,
    coalesce(o.is_closed, false) and coalesce(o.closed_at, o.observed_at) < {{ as_of() }} as is_closed,
    coalesce(o.is_won, false) as is_won,
    o.owner,
    o.created_at,
    case when coalesce(o.is_closed, false) then coalesce(o.closed_at, o.observed_at) end as closed_at
from {{ ref('stg_lake__opportunity') }} as o
left join {{ source('identity', 'customer_record') }} as r on o.record_key = r.record_key
left join {{ ref('int_sales__account_customer') }} as a on o.account_ref = a.account_ref
where not coalesce(o.is_deleted, false)
