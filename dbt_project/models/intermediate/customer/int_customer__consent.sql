-- What the customer last said of each channel: true allowed, false refused, null never said.
with stated as (
    select
        customer_id,
        recency_rank,
        {{ consent_of('consent', 'email') }} as consent_email,
        {{ consent_of('consent', 'phone') }} as consent_phone,
        {{ consent_of('consent', 'sms') }} as consent_sms
    from {{ ref('int_customer__record') }}
    where consent is not null
),

email as ({{ newest('stated', ['consent_email'], 'consent_email') }}),

phone as ({{ newest('stated', ['consent_phone'], 'consent_phone') }}),

sms as ({{ newest('stated', ['consent_sms'], 'consent_sms') }}),

-- A STOP by SMS is a refusal, whatever a form once said.
opted_out as (
    select distinct customer_id
    from {{ ref('fct_interactions') }}
    where channel = 'sms' and flags like '%opt_out%' and customer_id is not null
)

select
    c.customer_id,
    e.consent_email,
    p.consent_phone,
    case when o.customer_id is not null then false else s.consent_sms end as consent_sms
from {{ source('identity', 'customer') }} as c
left join email as e on c.customer_id = e.customer_id
left join phone as p on c.customer_id = p.customer_id
left join sms as s on c.customer_id = s.customer_id
left join opted_out as o on c.customer_id = o.customer_id
