-- Over all conversions each model credits as many and as much as there were.
with converted as (
    select conversion_set, count(*) as conversions, sum(amount) as amount
    from {{ ref('int_attribution__conversion') }}
    group by conversion_set
)

select m.model, c.conversion_set
from converted as c
cross join {{ ref('attribution_models') }} as m
left join {{ ref('attribution_credit') }} as k on c.conversion_set = k.conversion_set and m.model = k.model
group by m.model, c.conversion_set, c.conversions, c.amount
having coalesce(sum(k.credit), 0) <> c.conversions or coalesce(sum(k.amount), 0) <> c.amount
