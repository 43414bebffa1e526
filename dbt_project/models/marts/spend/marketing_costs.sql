-- What did each channel, source and campaign cost on each day: advertisements, and its part of fixed costs?
with fixed as (
    select
        f.*,
        cast({{ converted('f.cents * cast(0.01 as decimal(3, 2))', 'f.currency', 'x.rate') }} as decimal(18, 6)) as cost
    from {{ ref('int_spend__fixed_origin') }} as f
    left join {{ ref('int_sales__exchange_rate') }} as x
        on f.currency = x.currency and f.cost_date >= x.valid_from and f.cost_date < x.valid_to
),

entries as (
    select cost_date, 'ad_spend' as cost_kind, channel_group, traffic_source, campaign, cost, unconverted_entries
    from {{ ref('int_spend__ad_day') }}
    union all
    select
        cost_date,
        'fixed',
        channel_group,
        traffic_source,
        campaign,
        coalesce(cost, 0),
        case when cost is null then 1 else 0 end
    from fixed
)

select
    e.cost_date,
    cast(e.cost_kind as {{ text_type() }}) as cost_kind,
    cast(coalesce(a.acquisition_source, 'media') as {{ text_type() }}) as acquisition_source,
    cast(e.channel_group as {{ text_type() }}) as channel_group,
    cast(e.traffic_source as {{ text_type() }}) as traffic_source,
    cast(e.campaign as {{ text_type() }}) as campaign,
    cast(sum(e.cost) as decimal(18, 6)) as cost,
    cast(sum(e.unconverted_entries) as bigint) as unconverted_entries
from entries as e
left join {{ ref('acquisition_sources') }} as a on e.channel_group = a.channel_group
group by 1, 2, 3, 4, 5, 6
