-- Who belongs to which account? To the organisation that a CRM names; else to the one whose domain their e-mail
-- address has: the CRM's, where all with that domain whom the CRM puts into an account are in one; and to a household.
{{ config(tags=['whole']) }}

with sizes as (
    select basis, account_id, count(*) as members
    from {{ ref('int_account__claim') }}
    group by basis, account_id
),

accounts as (
    select s.account_id, s.basis, r.account_kind
    from sizes as s
    inner join {{ ref('account_rules') }} as r on s.basis = r.basis
    where s.members >= r.fewest_members and (r.most_members is null or s.members <= r.most_members)
),

claims as (
    select c.*, a.account_kind
    from {{ ref('int_account__claim') }} as c
    inner join accounts as a on c.account_id = a.account_id and c.basis = a.basis
),

named as (
    select * from claims
    where basis = 'account_ref'
),

-- The CRM's account of a domain, if there is one.
meant as (
    select d.account_id as domain_id, min(n.account_id) as account_id
    from claims as d
    inner join named as n on d.customer_id = n.customer_id
    where d.basis = 'domain'
    group by d.account_id
    having count(distinct n.account_id) = 1
),

members as (
    select account_id, account_kind, customer_id, basis, reference, account_name, since, record_key
    from claims
    where basis <> 'domain'
    union all
    select
        coalesce(m.account_id, c.account_id) as account_id,
        c.account_kind,
        c.customer_id,
        c.basis,
        case when m.account_id is null then c.reference end as reference,
        c.account_name,
        c.since,
        c.record_key
    from claims as c
    left join meant as m on c.account_id = m.domain_id
    left join named as n on c.customer_id = n.customer_id
    where c.basis = 'domain' and n.customer_id is null
)

select * from members
