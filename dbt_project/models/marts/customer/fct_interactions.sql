-- Which contacts has the company had, with whom, and how did each happen?
select
    i.interaction_id,
    r.customer_id,
    cast(i.source as varchar) as source,
    cast(i.source_record_id as varchar) as source_record_id,
    cast(i.channel as varchar) as channel,
    cast(i.direction as varchar) as direction,
    i.occurred_at,
    cast(i.utc_offset_minutes as integer) as utc_offset_minutes,
    cast(i.event_name as varchar) as event_name,
    i.duration_s,
    cast(i.outcome as varchar) as outcome,
    cast(i.interaction_class as varchar) as interaction_class,
    i.is_touch,
    cast(i.session_id as varchar) as session_id,
    cast(i.utm_source as varchar) as utm_source,
    cast(i.utm_medium as varchar) as utm_medium,
    cast(i.utm_campaign as varchar) as utm_campaign,
    cast(i.click_id_type as varchar) as click_id_type,
    cast(i.referrer_host as varchar) as referrer_host,
    cast(i.cost as decimal(18, 6)) as cost,
    cast(i.currency as varchar) as currency,
    cast(i.flags as varchar) as flags
from {{ ref('interaction') }} as i
left join {{ source('identity', 'customer_record') }} as r on i.interaction_id = r.record_key
