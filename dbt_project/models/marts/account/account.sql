-- Which organisations and households do the customers belong to?
with names as (
    select
        account_id, account_name, count(*) as mentions, max(case when basis = 'account_record' then 1 else 0 end) as own
    from {{ ref('int_account__membership') }}
    where account_name is not null
    group by account_id, account_name
),

ranked as (
    select
        account_id,
        account_name,
        row_number() over (partition by account_id order by own desc, mentions desc, account_name asc) as name_rank
    from names
),

accounts as (
    select
        account_id,
        min(account_kind) as account_kind,
        min(case when basis <> 'domain' then reference end) as account_ref,
        min(case when basis = 'domain' then reference end) as domain,
        count(distinct case when basis <> 'account_record' then customer_id end) as members,
        min(case when basis = 'account_record' then customer_id end) as customer_id,
        min(since) as since
    from {{ ref('int_account__membership') }}
    group by account_id
)

select
    a.account_id,
    cast(a.account_kind as {{ text_type() }}) as account_kind,
    cast(coalesce(r.account_name, a.domain) as {{ text_type() }}) as account_name,
    cast(a.account_ref as {{ text_type() }}) as account_ref,
    cast(a.domain as {{ text_type() }}) as domain,
    cast(a.members as integer) as members,
    a.customer_id,
    a.since
from accounts as a
left join ranked as r on a.account_id = r.account_id and r.name_rank = 1
