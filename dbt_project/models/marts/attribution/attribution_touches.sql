-- Which contacts may earn credit, and where did each come from?
select
    t.touch_id,
    t.customer_id,
    t.touched_at,
    cast(t.source as varchar) as source,
    cast(t.channel as varchar) as channel,
    cast(t.channel_group as varchar) as channel_group,
    cast(s.acquisition_source as varchar) as acquisition_source,
    cast(t.traffic_source as varchar) as traffic_source,
    cast(t.traffic_medium as varchar) as traffic_medium,
    cast(t.source_category as varchar) as source_category,
    cast(t.campaign as varchar) as campaign,
    cast(t.event_name as varchar) as event_name
from {{ ref('int_attribution__touch') }} as t
inner join {{ ref('acquisition_sources') }} as s on t.channel_group = s.channel_group
