-- The summary has every credit and every cost once per model and conversion set.
with told as (
    select model, conversion_set, sum(conversions) as conversions, sum(amount) as amount, sum(spend) as spend
    from {{ ref('attribution_summary') }}
    group by model, conversion_set
),

credited as (
    select model, conversion_set, sum(credit) as conversions, sum(amount) as amount
    from {{ ref('attribution_credit') }}
    group by model, conversion_set
),

spent as (
    select coalesce(sum({{ converted('s.cost', 's.currency', 'x.rate') }}), 0) as spend
    from {{ ref('fct_ad_spend') }} as s
    left join {{ ref('int_sales__exchange_rate') }} as x
        on s.currency = x.currency and s.spend_date >= x.valid_from and s.spend_date < x.valid_to
)

select m.model, v.conversion_set
from {{ ref('attribution_models') }} as m
cross join {{ ref('attribution_conversions') }} as v
cross join spent as s
left join told as t on m.model = t.model and v.conversion_set = t.conversion_set
left join credited as c on m.model = c.model and v.conversion_set = c.conversion_set
where
    coalesce(t.conversions, 0) <> coalesce(c.conversions, 0)
    or coalesce(t.amount, 0) <> coalesce(c.amount, 0)
    -- Sums of months are rounded to the sixth decimal, each once.
    or abs(coalesce(t.spend, 0) - s.spend) > 0.001
