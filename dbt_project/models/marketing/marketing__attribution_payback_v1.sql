-- When had each source, channel and campaign brought back what it had cost by then, by model and conversion set?
-- Campaigns with an address or a telephone number in their name are one row without a month of payback: each had its
-- own.
with named as (
    select
        p.model,
        p.conversion_set,
        p.acquisition_source,
        p.channel_group,
        {{ unless_withheld('p.campaign') }} as campaign,
        p.first_cost_month,
        case when not {{ is_withheld('p.campaign') }} then p.payback_month end as payback_month,
        case when not {{ is_withheld('p.campaign') }} then p.payback_months end as payback_months,
        p.cost,
        p.amount
    from {{ ref('attribution_payback') }} as p
)

select
    n.model,
    n.conversion_set,
    n.acquisition_source,
    n.channel_group,
    n.campaign,
    min(n.first_cost_month) as first_cost_month,
    min(n.payback_month) as payback_month,
    min(n.payback_months) as payback_months,
    cast(sum(n.cost) as decimal(18, 6)) as cost,
    cast(sum(n.amount) as decimal(18, 2)) as amount,
    sum(n.amount) >= sum(n.cost) as is_paid_back
from named as n
group by n.model, n.conversion_set, n.acquisition_source, n.channel_group, n.campaign
