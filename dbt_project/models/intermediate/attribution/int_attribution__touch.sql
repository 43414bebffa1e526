-- Interactions that may earn credit, with where they came from; of a web session only the first.
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
),

-- A visit without campaign parameters is described by its click id, else by its referrer.
described as (
    select
        t.*,
        coalesce(t.utm_source, k.traffic_source, t.referrer_host, '(direct)') as traffic_source,
        coalesce(
            t.utm_medium,
            case when t.utm_source is null then k.traffic_medium end,
            case when t.utm_source is null and t.referrer_host is not null then 'referral' end,
            '(none)'
        ) as traffic_medium
    from candidates as t
    left join {{ ref('click_ids') }} as k on t.click_id_type = k.click_id_type
    where t.session_rank = 1
),

categorised as (
    select d.*, c.category
    from described as d
    left join {{ ref('source_categories') }} as c on {{ site_name('d.traffic_source') }} = c.source
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
    category as source_category,
    utm_campaign as campaign,
    -- Contacts that are no visits have groups of their own beside GA4's.
    case
        when channel = 'phone' then 'Phone call'
        when channel = 'fax' then 'Fax'
        when channel = 'media' then 'Media'
        when channel = 'in_person' and traffic_medium = 'event' then 'Event'
        when channel = 'in_person' then 'In person'
        when channel = 'sms' and utm_medium is null then 'Text message'
        when channel = 'email' and utm_medium is null then 'Inbound email'
        else {{ channel_group('traffic_source', 'traffic_medium', "coalesce(utm_campaign, '')", 'category') }}
    end as channel_group,
    cost
from categorised
