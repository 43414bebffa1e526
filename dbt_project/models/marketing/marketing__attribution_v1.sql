-- What did each channel and campaign bring, and what did it cost, by model, conversion and month?
select
    cast('channel' as varchar) as grain,
    s.model,
    s.conversion_set,
    s.month,
    s.acquisition_source,
    s.channel_group,
    cast('(all)' as varchar) as traffic_source,
    cast('(all)' as varchar) as campaign,
    cast(sum(s.conversions) as decimal(18, 9)) as conversions,
    cast(sum(s.amount) as decimal(18, 2)) as amount,
    cast(sum(s.spend) as decimal(18, 6)) as spend
from {{ ref('attribution_summary') }} as s
group by s.model, s.conversion_set, s.month, s.acquisition_source, s.channel_group
union all
select
    cast('campaign' as varchar) as grain,
    s.model,
    s.conversion_set,
    s.month,
    s.acquisition_source,
    s.channel_group,
    cast('(all)' as varchar) as traffic_source,
    s.campaign,
    s.conversions,
    s.amount,
    s.spend
from {{ ref('attribution_summary') }} as s
