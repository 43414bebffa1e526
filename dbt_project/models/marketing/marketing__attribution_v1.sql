-- What did each channel, source and campaign bring, and what did it cost, by model, conversion and month?
select
    s.grain,
    s.model,
    s.conversion_set,
    s.month,
    s.acquisition_source,
    s.channel_group,
    s.traffic_source,
    s.campaign,
    s.conversions,
    s.amount,
    s.spend
from {{ ref('attribution_summary') }} as s
