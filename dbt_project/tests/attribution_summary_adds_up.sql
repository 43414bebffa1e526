-- In every grain, model, set of conversions and month: exactly the conversions, their amount, and the spend.
{{ config(tags=['whole']) }}
with converted as (
    select
        conversion_set,
        {{ month_start('converted_at') }} as month,
        sum(conversions) as conversions,
        sum(amount) as amount,
        0 as spend
    from {{ ref('attribution_credit') }}
    where touch_number <= 1
    group by 1, 2
),

spent as (
    select v.conversion_set, s.month, 0 as conversions, 0 as amount, sum(s.spend) as spend
    from {{ ref('int_attribution__spend') }} as s
    cross join {{ ref('attribution_conversions') }} as v
    group by 1, 2
),

expected as (
    select conversion_set, month, sum(conversions) as conversions, sum(amount) as amount, sum(spend) as spend
    from (
        select * from converted
        union all
        select * from spent
    ) as both_told
    group by 1, 2
),

told as (
    select
        grain,
        model,
        conversion_set,
        month,
        sum(conversions) as conversions,
        sum(amount) as amount,
        sum(spend) as spend
    from {{ ref('attribution_summary') }}
    group by 1, 2, 3, 4
),

every_one as (
    select g.grain, m.model, e.*
    from expected as e
    cross join {{ ref('attribution_grains') }} as g
    cross join {{ ref('attribution_models') }} as m
)

select e.grain, e.model, e.conversion_set, e.month
from every_one as e
full outer join told as t
    on e.grain = t.grain and e.model = t.model and e.conversion_set = t.conversion_set and e.month = t.month
where
    e.grain is null
    or t.grain is null
    or e.conversions <> t.conversions
    or e.amount <> t.amount
    or e.spend <> t.spend
