-- Contacts by persons that may have brought them: of a web session only the first page; where each came from, and
-- whether the customer might be contacted that way at the time.
with told as (
    select
        i.interaction_id,
        i.customer_id,
        i.occurred_at,
        i.source,
        i.event_name,
        i.cost,
        i.currency,
        coalesce(i.outcome = 'clicked', false) as is_click,
        ',' || coalesce(i.flags, '') || ',' like '%,no_consent,%' as is_untold,
        o.arrival_number,
        o.origin_id,
        n.consent_channel
    from {{ ref('fct_interactions') }} as i
    inner join {{ ref('int_attribution__origin') }} as o
        on
            i.channel = o.channel
            and coalesce(i.utm_source, '') = o.utm_source
            and coalesce(i.utm_medium, '') = o.utm_medium
            and coalesce(i.utm_campaign, '') = o.utm_campaign
            and coalesce(i.click_id_type, '') = o.click_id_type
            and coalesce(i.referrer_host, '') = o.referrer_host
    left join {{ ref('attribution_consent') }} as n
        on o.channel_group = n.channel_group and i.direction = n.direction
    left join {{ ref('int_attribution__later_page') }} as p on i.interaction_id = p.interaction_id
    where
        i.is_touch
        and i.interaction_class = 'person'
        and i.customer_id is not null
        and p.interaction_id is null
)

select
    t.interaction_id,
    t.customer_id,
    t.occurred_at,
    t.source,
    t.event_name,
    t.cost,
    t.currency,
    t.is_click,
    t.arrival_number,
    t.origin_id,
    case
        when t.is_untold then 'refused'
        when t.consent_channel is null then 'not_needed'
        when s.is_allowed then 'granted'
        when not s.is_allowed then 'refused'
        else 'unknown'
    end as consent
from told as t
left join {{ ref('int_attribution__consent') }} as s
    on
        t.customer_id = s.customer_id
        and t.consent_channel = s.consent_channel
        and t.occurred_at >= s.valid_from
        and t.occurred_at < s.valid_to
