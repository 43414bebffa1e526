-- What was spent in each month on each channel group, source and campaign, in the company's currency.
{{ config(tags=['whole']) }}
select
    {{ month_start('s.spend_date') }} as month,
    coalesce(a.acquisition_source, 'media') as acquisition_source,
    coalesce(p.channel_group, 'Paid Other') as channel_group,
    coalesce(p.traffic_source, s.platform, '(none)') as traffic_source,
    coalesce(s.campaign, '(none)') as campaign,
    sum(cast(coalesce({{ converted('s.cost', 's.currency', 'x.rate') }}, 0) as decimal(18, 6))) as spend
from {{ ref('fct_ad_spend') }} as s
left join {{ ref('ad_platforms') }} as p on s.platform = p.platform
left join {{ ref('acquisition_sources') }} as a on coalesce(p.channel_group, 'Paid Other') = a.channel_group
left join {{ ref('int_sales__exchange_rate') }} as x
    on s.currency = x.currency and s.spend_date >= x.valid_from and s.spend_date < x.valid_to
group by 1, 2, 3, 4, 5
