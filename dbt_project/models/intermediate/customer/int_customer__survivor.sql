-- Which record does each group of a customer's fields come from, and why from this one? Where several records
-- compete: the rule is the first criterion in which the best differs from the best that states something else.
with winners as (
    select *
    from {{ ref('int_customer__candidate') }}
    where survival_rank = 1
),

counted as (
    select customer_id, field_group, count(*) as candidates, count(distinct stated_value) as competing_values
    from {{ ref('int_customer__candidate') }}
    group by customer_id, field_group
),

rivals as (
    select c.customer_id, c.field_group, min(c.survival_rank) as survival_rank
    from {{ ref('int_customer__candidate') }} as c
    inner join winners as w
        on c.customer_id = w.customer_id and c.field_group = w.field_group and c.stated_value <> w.stated_value
    group by c.customer_id, c.field_group
)

select
    w.customer_id,
    w.field_group,
    w.record_key,
    case
        when n.candidates = 1 then 'only'
        when n.competing_values = 1 then 'agreed'
        when o.is_superseded and not w.is_superseded then 'living'
        when w.first_score > o.first_score then r.first_criterion
        when w.second_score > o.second_score then r.second_criterion
        when w.third_score > o.third_score then r.third_criterion
        when w.fourth_score > o.fourth_score then r.fourth_criterion
        when w.recency > o.recency then 'recency'
        else 'key'
    end as survivorship_rule,
    cast(n.competing_values as integer) as competing_values
from winners as w
inner join counted as n on w.customer_id = n.customer_id and w.field_group = n.field_group
left join rivals as b on w.customer_id = b.customer_id and w.field_group = b.field_group
left join {{ ref('int_customer__candidate') }} as o
    on b.customer_id = o.customer_id and b.field_group = o.field_group and b.survival_rank = o.survival_rank
left join {{ ref('survivorship_rules') }} as r on w.field_group = r.field_group
