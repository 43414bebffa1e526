-- Where do touches come from: which channel group, source and campaign does each origin stand for?
select
    origin_id,
    max(acquisition_source) as acquisition_source,
    max(channel_group) as channel_group,
    max(traffic_source) as traffic_source,
    coalesce(max(campaign), '(none)') as campaign
from {{ ref('int_attribution__touched_origin') }}
group by origin_id
