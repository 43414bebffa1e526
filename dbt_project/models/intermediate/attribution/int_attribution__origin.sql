-- What each way of arriving, as contacts tell it, says of where it came from: source, medium, campaign, channel group.
-- Ways of arriving are numbered, so that what follows carries one number instead of a row of texts.
with told as (
    select distinct
        channel,
        coalesce(utm_source, '') as utm_source,
        coalesce(utm_medium, '') as utm_medium,
        coalesce(utm_campaign, '') as utm_campaign,
        coalesce(click_id_type, '') as click_id_type,
        coalesce(referrer_host, '') as referrer_host
    from {{ ref('fct_interactions') }}
    where is_touch and interaction_class = 'person' and customer_id is not null
),

-- A visit without campaign parameters is described by its click id, else by its referrer. What is no visit
-- and names no campaign came from nowhere but its channel.
described as (
    select
        t.*,
        case
            when t.utm_source <> '' then t.utm_source
            when k.traffic_source is not null then k.traffic_source
            when t.referrer_host <> '' then t.referrer_host
            when t.channel = 'web' then '(direct)'
            else '(' || t.channel || ')'
        end as traffic_source,
        case
            when t.utm_medium <> '' then t.utm_medium
            when t.utm_source <> '' then '(none)'
            when k.traffic_medium is not null then k.traffic_medium
            when t.referrer_host <> '' then 'referral'
            else '(none)'
        end as traffic_medium
    from told as t
    left join {{ ref('click_ids') }} as k on t.click_id_type = k.click_id_type
),

categorised as (
    select d.*, coalesce(h.category, c.category) as source_category
    from described as d
    left join {{ ref('source_categories') }} as h on d.traffic_source = h.source
    left join {{ ref('source_categories') }} as c on {{ site_name('d.traffic_source') }} = c.source
),

grouped as (
    select
        *,
        nullif(utm_campaign, '') as campaign,
        -- Contacts that are no visits have groups of their own beside GA4's.
        case
            when channel = 'phone' then 'Phone call'
            when channel = 'fax' then 'Fax'
            when channel = 'media' then 'Media'
            when channel = 'in_person' and traffic_medium = 'event' then 'Event'
            when channel = 'in_person' then 'In person'
            when channel = 'sms' and utm_medium = '' then 'Text message'
            when channel = 'email' and utm_medium = '' then 'Inbound email'
            else {{ channel_group('traffic_source', 'traffic_medium', 'utm_campaign', 'source_category') }}
        end as channel_group
    from categorised
)

select
    row_number() over (
        order by g.channel, g.utm_source, g.utm_medium, g.utm_campaign, g.click_id_type, g.referrer_host
    ) as arrival_number,
    g.channel,
    g.utm_source,
    g.utm_medium,
    g.utm_campaign,
    g.click_id_type,
    g.referrer_host,
    {{ text_key(
        "g.channel_group || chr(31) || g.traffic_source || chr(31) || coalesce(g.campaign, '')"
    ) }} as origin_id,
    g.traffic_source,
    g.traffic_medium,
    g.source_category,
    g.campaign,
    g.channel_group,
    s.acquisition_source
from grouped as g
left join {{ ref('acquisition_sources') }} as s on g.channel_group = s.channel_group
