-- What the customer's newest record says of each channel: true allowed, false refused, null not said.
with stated as (
    select customer_id, consent
    from (
        select
            customer_id,
            consent,
            row_number() over (partition by customer_id order by recency_rank) as rank_of_stated
        from {{ ref('int_customer__record') }}
        where consent is not null
    ) as ranked
    where rank_of_stated = 1
),

-- A STOP by SMS is a refusal, whatever a form once said.
opted_out as (
    select distinct r.customer_id
    from {{ ref('interaction') }} as i
    inner join {{ source('identity', 'customer_record') }} as r on i.interaction_id = r.record_key
    where i.channel = 'sms' and i.flags like '%opt_out%'
)

select
    c.customer_id,
    {{ consent_of('s.consent', 'email') }} as consent_email,
    {{ consent_of('s.consent', 'phone') }} as consent_phone,
    case when o.customer_id is not null then false else {{ consent_of('s.consent', 'sms') }} end as consent_sms
from {{ source('identity', 'customer') }} as c
left join stated as s on c.customer_id = s.customer_id
left join opted_out as o on c.customer_id = o.customer_id
