-- Which contacts may earn credit, and where did each come from?
select
    t.touch_id,
    t.customer_id,
    t.touched_at,
    cast(t.source as {{ text_type() }}) as source,
    cast(t.channel as {{ text_type() }}) as channel,
    cast(t.channel_group as {{ text_type() }}) as channel_group,
    cast(s.acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(t.traffic_source as {{ text_type() }}) as traffic_source,
    cast(t.traffic_medium as {{ text_type() }}) as traffic_medium,
    cast(t.source_category as {{ text_type() }}) as source_category,
    cast(t.campaign as {{ text_type() }}) as campaign,
    cast(t.event_name as {{ text_type() }}) as event_name
from {{ ref('int_attribution__touch') }} as t
left join {{ ref('acquisition_sources') }} as s on t.channel_group = s.channel_group
