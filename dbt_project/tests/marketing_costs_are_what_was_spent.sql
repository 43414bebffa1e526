-- What all channels, sources and campaigns cost is what was spent, and so are the costs beside each model's returns.
with spent as (
    select coalesce(sum(cast({{ converted('s.cost', 's.currency', 'x.rate') }} as decimal(18, 6))), 0) as cost
    from {{ ref('fct_ad_spend') }} as s
    left join {{ ref('int_sales__exchange_rate') }} as x
        on s.currency = x.currency and s.spend_date >= x.valid_from and s.spend_date < x.valid_to
),

told as (
    select
        coalesce(sum(cost) filter (where cost_kind = 'ad_spend'), 0) as ad_spend,
        coalesce(sum(cost), 0) as cost
    from {{ ref('marketing_costs') }}
),

returned as (
    select model, conversion_set, sum(cost) as cost
    from {{ ref('attribution_returns') }}
    group by model, conversion_set
)

select
    'ad_spend' as what,
    s.cost as expected,
    t.ad_spend as found
from spent as s
cross join told as t
where s.cost <> t.ad_spend
union all
select
    r.model,
    t.cost as expected,
    r.cost as found
from returned as r
cross join told as t
where r.cost <> t.cost
