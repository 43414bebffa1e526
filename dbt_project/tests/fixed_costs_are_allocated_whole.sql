-- A fixed cost's parts for its days add up to it exactly, and so do a day's parts for where it was spread.
with days as (
    select cost_id, sum(cents) as cents
    from {{ ref('int_spend__fixed_day') }}
    group by cost_id
),

origins as (
    select cost_id, cost_date, sum(cents) as cents
    from {{ ref('int_spend__fixed_origin') }}
    group by cost_id, cost_date
)

select f.cost_id, 'days' as part
from {{ ref('fixed_costs') }} as f
left join days as d on f.cost_id = d.cost_id
where d.cents is null or d.cents <> f.amount * 100
union all
select d.cost_id, 'origins'
from {{ ref('int_spend__fixed_day') }} as d
left join origins as o on d.cost_id = o.cost_id and d.cost_date = o.cost_date
where d.cost_date < {{ as_of_date() }} and (o.cents is null or o.cents <> d.cents)
