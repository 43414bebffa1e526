-- What did each channel, source and campaign bring, and what did it cost, by model, conversion and month?
-- A name with an address or a telephone number in it, as some mailings write into their links, is withheld: nobody
-- leaves the house that way.
with named as (
    select
        s.grain,
        s.model,
        s.conversion_set,
        s.month,
        s.acquisition_source,
        s.channel_group,
        {{ unless_withheld('s.traffic_source') }} as traffic_source,
        {{ unless_withheld('s.campaign') }} as campaign,
        s.conversions,
        s.amount,
        s.spend
    from {{ ref('attribution_summary') }} as s
)

select
    n.grain,
    n.model,
    n.conversion_set,
    n.month,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    n.campaign,
    cast(sum(n.conversions) as decimal(18, 9)) as conversions,
    cast(sum(n.amount) as decimal(18, 2)) as amount,
    cast(sum(n.spend) as decimal(18, 6)) as spend
from named as n
group by
    n.grain,
    n.model,
    n.conversion_set,
    n.month,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    n.campaign
