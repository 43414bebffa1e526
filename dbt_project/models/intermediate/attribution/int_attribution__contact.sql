-- Contacts by persons that may have brought them: of a web session only the first page, with where each came from.
with candidates as (
    select *, 1 as session_rank
    from {{ ref('fct_interactions') }}
    where is_touch and interaction_class = 'person' and customer_id is not null and session_id is null
    union all
    select
        *,
        row_number() over (
            partition by customer_id, source, session_id
            order by occurred_at, interaction_id
        ) as session_rank
    from {{ ref('fct_interactions') }}
    where is_touch and interaction_class = 'person' and customer_id is not null and session_id is not null
)

select
    c.interaction_id,
    c.customer_id,
    c.occurred_at,
    c.source,
    c.channel,
    c.direction,
    c.event_name,
    c.outcome,
    c.cost,
    c.currency,
    ',' || coalesce(c.flags, '') || ',' like '%,no_consent,%' as is_untold,
    o.origin_id,
    o.traffic_source,
    o.traffic_medium,
    o.source_category,
    o.campaign,
    o.channel_group,
    o.acquisition_source
from candidates as c
inner join {{ ref('int_attribution__origin') }} as o
    on
        c.channel = o.channel
        and coalesce(c.utm_source, '') = o.utm_source
        and coalesce(c.utm_medium, '') = o.utm_medium
        and coalesce(c.utm_campaign, '') = o.utm_campaign
        and coalesce(c.click_id_type, '') = o.click_id_type
        and coalesce(c.referrer_host, '') = o.referrer_host
where c.session_rank = 1
