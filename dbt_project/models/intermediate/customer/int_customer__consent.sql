-- May the customer be contacted? Per channel: true allowed, false refused, null never said. One refusal
-- outweighs any permission; only among the forms of one source does the newest replace the older ones.
with stated as (
    select *, 'email' as channel, {{ consent_of('consent', 'email') }} as is_allowed
    from {{ ref('int_customer__record') }}
    union all
    select *, 'phone', {{ consent_of('consent', 'phone') }}
    from {{ ref('int_customer__record') }}
    union all
    select *, 'sms', {{ consent_of('consent', 'sms') }}
    from {{ ref('int_customer__record') }}
),

ranked as (
    select
        customer_id,
        channel,
        is_allowed,
        row_number() over (
            partition by customer_id, channel, source, case when record_kind <> 'form' then record_key end
            order by recency_rank
        ) as rank_of_stated
    from stated
    -- What a deleted or merged record refused stays refused; what it allowed is no longer said.
    where is_allowed is not null and not (is_allowed and is_superseded)
),

said as (
    select customer_id, channel, is_allowed
    from ranked
    where rank_of_stated = 1
    union all
    -- STOP by SMS and an unsubscription are refusals, whatever a form once said.
    select customer_id, channel, false
    from {{ ref('fct_interactions') }}
    where
        ',' || flags || ',' like '%,opt_out,%'
        or (channel = 'email' and outcome in ('unsubscribed', 'spam_report'))
)

select
    c.customer_id,
    bool_and(s.is_allowed) filter (where s.channel = 'email') as consent_email,
    bool_and(s.is_allowed) filter (where s.channel = 'phone') as consent_phone,
    bool_and(s.is_allowed) filter (where s.channel = 'sms') as consent_sms
from {{ source('identity', 'customer') }} as c
left join said as s on c.customer_id = s.customer_id
group by c.customer_id
