-- Might each customer be contacted by a channel, and from when until when? A refusal holds until the customer's own
-- form allows it again; what a system repeats does not lift it.
with stated as (
    select
        customer_id,
        'email' as consent_channel,
        {{ consent_of('consent', 'email') }} as is_allowed,
        record_kind = 'form' as is_own,
        last_asserted_at as stated_at,
        is_superseded
    from {{ ref('int_customer__record') }}
    union all
    select
        customer_id,
        'phone',
        {{ consent_of('consent', 'phone') }},
        record_kind = 'form',
        last_asserted_at,
        is_superseded
    from {{ ref('int_customer__record') }}
    union all
    select customer_id, 'sms', {{ consent_of('consent', 'sms') }}, record_kind = 'form', last_asserted_at, is_superseded
    from {{ ref('int_customer__record') }}
    union all
    -- STOP by SMS and an unsubscription are refusals.
    select customer_id, channel, false, true, occurred_at, false
    from {{ ref('fct_interactions') }}
    where
        ',' || flags || ',' like '%,opt_out,%'
        or (channel = 'email' and outcome in ('unsubscribed', 'spam_report'))
),

-- Of what was said in the same instant a refusal outweighs. What a deleted or merged record allowed is no longer said.
said as (
    select
        customer_id,
        consent_channel,
        stated_at,
        bool_and(is_allowed) as is_allowed,
        case when bool_and(is_allowed) and bool_or(is_own) then 1 else 0 end as is_lifted
    from stated
    where is_allowed is not null and customer_id is not null and not (is_allowed and is_superseded)
    group by customer_id, consent_channel, stated_at
),

spans as (
    select
        *,
        sum(is_lifted) over (partition by customer_id, consent_channel order by stated_at) as span,
        lead(stated_at) over (partition by customer_id, consent_channel order by stated_at) as next_at
    from said
)

select
    customer_id,
    consent_channel,
    bool_and(is_allowed) over (
        partition by customer_id, consent_channel, span order by stated_at
    ) as is_allowed,
    stated_at as valid_from,
    coalesce(next_at, cast('9999-12-31' as timestamp)) as valid_to
from spans
