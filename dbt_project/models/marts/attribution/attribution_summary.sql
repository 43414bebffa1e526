-- What did each source bring and what did it cost, by model, conversion and month?
-- Spend stands once per model and conversion set, in the month it was spent; conversions in theirs.
with spent as (
    select
        s.spend_date,
        s.campaign,
        coalesce({{ converted('s.cost', 's.currency', 'x.rate') }}, 0) as cost,
        coalesce(p.channel_group, 'Paid Other') as channel_group
    from {{ ref('fct_ad_spend') }} as s
    left join {{ ref('ad_platforms') }} as p on s.platform = p.platform
    left join {{ ref('int_sales__exchange_rate') }} as x
        on s.currency = x.currency and s.spend_date >= x.valid_from and s.spend_date < x.valid_to
),

entries as (
    select
        model,
        conversion_set,
        {{ month_start('converted_at') }} as month,
        acquisition_source,
        channel_group,
        campaign,
        credit,
        amount,
        cast(0 as decimal(18, 6)) as spend
    from {{ ref('attribution_credit') }}
    union all
    select
        m.model,
        c.conversion_set,
        {{ month_start('s.spend_date') }},
        a.acquisition_source,
        s.channel_group,
        s.campaign,
        0,
        0,
        s.cost
    from spent as s
    inner join {{ ref('acquisition_sources') }} as a on s.channel_group = a.channel_group
    cross join {{ ref('attribution_models') }} as m
    cross join {{ ref('attribution_conversions') }} as c
)

select
    cast(model as {{ text_type() }}) as model,
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    month,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(coalesce(campaign, '(none)') as {{ text_type() }}) as campaign,
    cast(sum(credit) as decimal(18, 9)) as conversions,
    cast(sum(amount) as decimal(18, 2)) as amount,
    cast(sum(spend) as decimal(18, 6)) as spend
from entries
group by 1, 2, 3, 4, 5, 6
