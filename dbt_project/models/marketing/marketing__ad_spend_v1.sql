-- What did each campaign cost on each day, in the currency of its platform? A name with an address or a telephone
-- number in it is withheld.
with named as (
    select
        s.spend_date,
        s.platform,
        {{ unless_withheld('s.campaign') }} as campaign,
        s.currency,
        s.clicks,
        s.impressions,
        s.cost
    from {{ ref('fct_ad_spend') }} as s
)

select
    n.spend_date,
    n.platform,
    n.campaign,
    n.currency,
    cast(sum(n.clicks) as bigint) as clicks,
    cast(sum(n.impressions) as bigint) as impressions,
    cast(sum(n.cost) as decimal(18, 6)) as cost
from named as n
group by n.spend_date, n.platform, n.campaign, n.currency
