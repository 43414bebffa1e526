-- Who belongs to which organisation or household, in which role, since when, and by which evidence?
with members as (
    select
        account_id,
        account_kind,
        customer_id,
        basis,
        since,
        row_number() over (partition by account_id, customer_id order by since, basis) as age_rank
    from {{ ref('int_account__membership') }}
    where basis <> 'account_record'
),

roles as (
    select
        *,
        row_number() over (partition by customer_id, role order by since, evidence) as age_rank
    from {{ ref('int_account__role') }}
)

select
    m.account_id,
    m.customer_id,
    cast(coalesce(r.role, 'member') as {{ text_type() }}) as role,
    cast(m.basis as {{ text_type() }}) as membership_evidence,
    m.since as member_since,
    cast(r.evidence as {{ text_type() }}) as role_evidence,
    r.since as role_since,
    r.record_key as role_record_key
from members as m
-- In a household nobody has a job.
left join roles as r
    on
        m.customer_id = r.customer_id and r.age_rank = 1
        and (m.account_kind = 'organisation' or r.evidence = 'order')
where m.age_rank = 1
