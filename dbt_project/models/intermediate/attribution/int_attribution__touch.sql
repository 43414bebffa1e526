-- Interactions that may earn credit, with their channel group; of a web session only the first.
with touches as (
    select
        i.*,
        r.customer_id,
        row_number() over (
            partition by i.source, coalesce(i.session_id, i.source_record_id)
            order by i.occurred_at, i.interaction_id
        ) as session_rank
    from {{ ref('interaction') }} as i
    inner join {{ source('identity', 'customer_record') }} as r on i.interaction_id = r.record_key
    where i.is_touch and i.interaction_class = 'person'
),

described as (
    select
        t.*,
        -- A visit without campaign is described by its referrer, as GA4 does.
        coalesce(t.utm_source, t.referrer_host, '(direct)') as traffic_source,
        coalesce(t.utm_medium, case when t.referrer_host is not null then 'referral' end, '(none)') as traffic_medium,
        coalesce(t.utm_campaign, '') as traffic_campaign,
        c.category
    from touches as t
    left join {{ ref('source_categories') }} as c
        on coalesce(t.utm_source, {{ site_name('t.referrer_host') }}) = c.source
    where t.session_rank = 1
),

judged as (
    select
        d.*,
        (
            traffic_medium like '%cp%' or traffic_medium in ('ppc', 'retargeting') or traffic_medium like 'paid%'
            or click_id_type in ('gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid')
        ) as is_paid,
        {{ regexp_like('traffic_campaign', '^(.*(([^a-df-z]|^)shop|shopping).*)$') }} as is_shop_campaign
    from described as d
)

select
    interaction_id as touch_id,
    customer_id,
    occurred_at as touched_at,
    source,
    channel,
    event_name,
    traffic_source,
    traffic_medium,
    nullif(traffic_campaign, '') as campaign,
    -- GA4's default channel groups, first match wins; contacts that are no visits have groups of their own.
    case
        when channel = 'phone' then 'Phone call'
        when channel = 'sms' and utm_medium is null then 'Text message'
        when channel = 'fax' then 'Fax'
        when channel = 'media' then 'Media'
        when channel = 'in_person' then case when traffic_medium = 'event' then 'Event' else 'In person' end
        when channel = 'email' and utm_medium is null then 'Inbound email'
        when traffic_source = '(direct)' and traffic_medium in ('(none)', '(not set)') and not is_paid then 'Direct'
        when traffic_campaign like '%cross-network%' then 'Cross-network'
        when (category = 'shopping' or is_shop_campaign) and is_paid then 'Paid Shopping'
        when (category = 'search' or click_id_type in ('gclid', 'msclkid')) and is_paid then 'Paid Search'
        when category = 'social' and is_paid then 'Paid Social'
        when category = 'video' and is_paid then 'Paid Video'
        when traffic_medium in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
        when is_paid then 'Paid Other'
        when category = 'shopping' or is_shop_campaign then 'Organic Shopping'
        when category = 'social' or traffic_medium in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media') then 'Organic Social'
        when category = 'video' or traffic_medium like '%video%' then 'Organic Video'
        when category = 'search' or traffic_medium = 'organic' then 'Organic Search'
        when traffic_medium in ('referral', 'app', 'link') then 'Referral'
        when traffic_source in ('email', 'e-mail', 'e_mail', 'e mail') or traffic_medium in ('email', 'e-mail', 'e_mail', 'e mail') then 'Email'
        when traffic_medium = 'affiliate' then 'Affiliates'
        when traffic_medium = 'audio' then 'Audio'
        when traffic_source = 'sms' or traffic_medium = 'sms' then 'SMS'
        when traffic_medium like '%push' or traffic_medium like '%mobile%' or traffic_medium like '%notification%' or traffic_source = 'firebase' then 'Mobile Push'
        else 'Unassigned'
    end as channel_group,
    cost
from judged
