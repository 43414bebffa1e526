-- What did a conversion cost and what came back, by model, conversion set, month, source, channel and campaign?
-- Campaigns with an address or a telephone number in their name are one row without ratios, which no sum of them has.
with named as (
    select
        r.model,
        r.conversion_set,
        r.month,
        r.acquisition_source,
        r.channel_group,
        {{ unless_withheld('r.campaign') }} as campaign,
        r.touches,
        r.conversions,
        r.amount,
        r.ad_spend,
        r.fixed_cost,
        r.cost,
        case when not {{ is_withheld('r.campaign') }} then r.cost_per_conversion end as cost_per_conversion,
        case when not {{ is_withheld('r.campaign') }} then r.return_on_spend end as return_on_spend
    from {{ ref('attribution_returns') }} as r
)

select
    n.model,
    n.conversion_set,
    n.month,
    n.acquisition_source,
    n.channel_group,
    n.campaign,
    cast(sum(n.touches) as bigint) as touches,
    cast(sum(n.conversions) as decimal(18, 9)) as conversions,
    cast(sum(n.amount) as decimal(18, 2)) as amount,
    cast(sum(n.ad_spend) as decimal(18, 6)) as ad_spend,
    cast(sum(n.fixed_cost) as decimal(18, 6)) as fixed_cost,
    cast(sum(n.cost) as decimal(18, 6)) as cost,
    cast(min(n.cost_per_conversion) as decimal(18, 2)) as cost_per_conversion,
    cast(min(n.return_on_spend) as decimal(18, 4)) as return_on_spend,
    case
        when sum(n.cost) <> 0 and sum(n.touches) > 0 then 'both'
        when sum(n.cost) <> 0 then 'spend_without_touches'
        when sum(n.touches) > 0 then 'touches_without_spend'
        else 'neither'
    end as spend_status
from named as n
group by n.model, n.conversion_set, n.month, n.acquisition_source, n.channel_group, n.campaign
