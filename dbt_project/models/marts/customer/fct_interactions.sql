-- Which contacts has the company had, with whom, and how did each happen?
select
    i.interaction_id,
    r.customer_id,
    cast(i.source as {{ text_type() }}) as source,
    cast(i.source_record_id as {{ text_type() }}) as source_record_id,
    cast(i.channel as {{ text_type() }}) as channel,
    cast(i.direction as {{ text_type() }}) as direction,
    i.occurred_at,
    cast(i.utc_offset_minutes as integer) as utc_offset_minutes,
    cast(i.event_name as {{ text_type() }}) as event_name,
    i.duration_s,
    cast(i.outcome as {{ text_type() }}) as outcome,
    cast(i.interaction_class as {{ text_type() }}) as interaction_class,
    i.is_touch,
    cast(i.session_id as {{ text_type() }}) as session_id,
    cast(i.utm_source as {{ text_type() }}) as utm_source,
    cast(i.utm_medium as {{ text_type() }}) as utm_medium,
    cast(i.utm_campaign as {{ text_type() }}) as utm_campaign,
    cast(i.click_id_type as {{ text_type() }}) as click_id_type,
    cast(i.referrer_host as {{ text_type() }}) as referrer_host,
    cast(i.cost as decimal(18, 6)) as cost,
    cast(i.currency as {{ text_type() }}) as currency,
    cast(i.flags as {{ text_type() }}) as flags
from {{ ref('interaction') }} as i
left join {{ source('identity', 'customer_record') }} as r on i.interaction_id = r.record_key
