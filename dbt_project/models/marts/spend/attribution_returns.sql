-- What did a conversion cost and what came back, by model, conversion set, month, source, channel and campaign?
-- Costs and touches stand in their month, the same under every model and conversion set.
with touched as (
    select t.month, o.acquisition_source, o.channel_group, o.campaign, sum(t.touches) as touches
    from (
        select origin_id, month, sum(touches) as touches
        from {{ ref('int_attribution__step') }}
        group by 1, 2
    ) as t
    inner join {{ ref('attribution_origins') }} as o on t.origin_id = o.origin_id
    group by 1, 2, 3, 4
),

spent as (
    select
        {{ month_start('cost_date') }} as month,
        acquisition_source,
        channel_group,
        campaign,
        coalesce(sum(cost) filter (where cost_kind = 'ad_spend'), 0) as ad_spend,
        coalesce(sum(cost) filter (where cost_kind = 'fixed'), 0) as fixed_cost
    from {{ ref('marketing_costs') }}
    group by 1, 2, 3, 4
),

seen as (
    select month, acquisition_source, channel_group, campaign, touches, 0 as ad_spend, 0 as fixed_cost
    from touched
    union all
    select month, acquisition_source, channel_group, campaign, 0, ad_spend, fixed_cost
    from spent
),

entries as (
    select
        model,
        conversion_set,
        month,
        acquisition_source,
        channel_group,
        campaign,
        conversions,
        amount,
        0 as touches,
        0 as ad_spend,
        0 as fixed_cost
    from {{ ref('attribution_summary') }}
    where grain = 'campaign'
    union all
    select
        m.model,
        c.conversion_set,
        s.month,
        s.acquisition_source,
        s.channel_group,
        s.campaign,
        0,
        0,
        s.touches,
        s.ad_spend,
        s.fixed_cost
    from seen as s
    cross join {{ ref('attribution_models') }} as m
    cross join {{ ref('attribution_conversions') }} as c
),

summed as (
    select
        model,
        conversion_set,
        month,
        acquisition_source,
        channel_group,
        campaign,
        cast(sum(touches) as bigint) as touches,
        cast(sum(conversions) as decimal(18, 9)) as conversions,
        cast(sum(amount) as decimal(18, 2)) as amount,
        cast(sum(ad_spend) as decimal(18, 6)) as ad_spend,
        cast(sum(fixed_cost) as decimal(18, 6)) as fixed_cost,
        cast(sum(ad_spend + fixed_cost) as decimal(18, 6)) as cost
    from entries
    group by 1, 2, 3, 4, 5, 6
)

select
    cast(model as {{ text_type() }}) as model,
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    month,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(campaign as {{ text_type() }}) as campaign,
    touches,
    conversions,
    amount,
    ad_spend,
    fixed_cost,
    cost,
    {{ ratio_of('cost', 'conversions', 2) }} as cost_per_conversion,
    {{ ratio_of('amount', 'cost', 4) }} as return_on_spend,
    cast(
        case
            when cost <> 0 and touches > 0 then 'both'
            when cost <> 0 then 'spend_without_touches'
            when touches > 0 then 'touches_without_spend'
            else 'neither'
        end as {{ text_type() }}
    ) as spend_status
from summed
