-- What was spent on advertisements each day, by where their visits come from, in the company's currency.
{{ config(tags=['whole']) }}
with spent as (
    select
        s.spend_date as cost_date,
        coalesce(p.channel_group, 'Paid Other') as channel_group,
        coalesce(p.traffic_source, s.platform, '(none)') as traffic_source,
        coalesce(s.campaign, '(none)') as campaign,
        cast({{ converted('s.cost', 's.currency', 'x.rate') }} as decimal(18, 6)) as cost
    from {{ ref('fct_ad_spend') }} as s
    left join {{ ref('ad_platforms') }} as p on s.platform = p.platform
    left join {{ ref('int_sales__exchange_rate') }} as x
        on s.currency = x.currency and s.spend_date >= x.valid_from and s.spend_date < x.valid_to
)

select
    cost_date,
    channel_group,
    traffic_source,
    campaign,
    cast(coalesce(sum(cost), 0) as decimal(18, 6)) as cost,
    count(*) filter (where cost is null) as unconverted_entries
from spent
group by cost_date, channel_group, traffic_source, campaign
