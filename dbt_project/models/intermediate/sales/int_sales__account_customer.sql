-- The customer who stands for an account when a deal names only the account: its oldest contact, else the
-- account itself.
with ranked as (
    select
        account_ref,
        customer_id,
        row_number() over (partition by account_ref order by first_asserted_at, record_key) as age_rank
    from {{ ref('int_customer__record') }}
    where account_ref is not null and record_kind in ('contact', 'lead') and not is_superseded
),

contacts as (
    select account_ref, customer_id
    from ranked
    where age_rank = 1
),

accounts as (
    select i.identifier_value as account_ref, min(r.customer_id) as customer_id
    from {{ ref('identifier') }} as i
    inner join {{ source('identity', 'customer_record') }} as r on i.record_key = r.record_key
    where i.record_kind = 'account' and i.identifier_type = 'account_ref'
    group by i.identifier_value
)

select
    coalesce(c.account_ref, a.account_ref) as account_ref,
    coalesce(c.customer_id, a.customer_id) as customer_id
from accounts as a
full outer join contacts as c on a.account_ref = c.account_ref
