-- What did each campaign cost on each day, in the currency of its platform?
select
    s.spend_date,
    s.platform,
    s.campaign,
    s.currency,
    cast(sum(s.clicks) as bigint) as clicks,
    cast(sum(s.impressions) as bigint) as impressions,
    cast(sum(s.cost) as decimal(18, 6)) as cost
from {{ ref('fct_ad_spend') }} as s
group by s.spend_date, s.platform, s.campaign, s.currency
