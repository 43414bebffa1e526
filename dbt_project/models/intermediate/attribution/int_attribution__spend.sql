-- What was spent on advertisements in each month on each channel group, source and campaign, in the company's currency.
{{ config(tags=['whole']) }}
select
    {{ month_start('cost_date') }} as month,
    acquisition_source,
    channel_group,
    traffic_source,
    campaign,
    cast(sum(cost) as decimal(18, 6)) as spend
from {{ ref('marketing_costs') }}
where cost_kind = 'ad_spend'
group by 1, 2, 3, 4, 5
