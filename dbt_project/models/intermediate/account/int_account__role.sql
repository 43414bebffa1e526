-- What part does a customer play in buying, by which evidence, since when? One row per customer, role and evidence.
{{ config(meta={'slice': 'customer_id'}) }}

with said as (
    select distinct 'job_title' as evidence, job_title as said_text
    from {{ ref('int_customer__record') }}
    where job_title is not null
    union all
    select distinct 'buying_role', buying_role
    from {{ ref('int_customer__record') }}
    where buying_role is not null
),

-- A word stands between blanks, whatever stood there.
worded as (
    select
        evidence,
        said_text,
        ' ' || translate({{ lower_case('said_text') }}, '.,;:/-_&()|', '           ') || ' ' as words
    from said
),

meant as (
    select distinct w.evidence, w.said_text, r.role
    from worded as w
    inner join {{ ref('account_roles') }} as r on w.evidence = r.evidence and w.words like r.pattern
),

stated as (
    select r.customer_id, m.role, m.evidence, r.first_asserted_at as since, r.record_key
    from {{ ref('int_customer__record') }} as r
    inner join meant as m on m.evidence = 'job_title' and r.job_title = m.said_text
    where not r.is_superseded
    union all
    select r.customer_id, m.role, m.evidence, r.first_asserted_at, r.record_key
    from {{ ref('int_customer__record') }} as r
    inner join meant as m on m.evidence = 'buying_role' and r.buying_role = m.said_text
    where not r.is_superseded
    union all
    select r.customer_id, a.role, a.evidence, r.first_asserted_at, r.record_key
    from {{ ref('int_customer__record') }} as r
    inner join {{ ref('account_roles') }} as a on a.evidence = 'user_record'
    where r.record_kind = 'user' and not r.is_superseded
    union all
    select o.customer_id, a.role, a.evidence, o.ordered_at, o.order_id
    from {{ ref('int_sales__order') }} as o
    inner join {{ ref('account_roles') }} as a on a.evidence = 'order'
    where o.customer_id is not null
),

ranked as (
    select
        *,
        row_number() over (partition by customer_id, role, evidence order by since, record_key) as age_rank
    from stated
)

select
    customer_id,
    cast(role as {{ text_type() }}) as role,
    cast(evidence as {{ text_type() }}) as evidence,
    since,
    record_key
from ranked
where age_rank = 1
