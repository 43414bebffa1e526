-- Every model splits every conversion exactly once: shares sum to 1, amounts to the conversion's.
select c.conversion_set, c.conversion_key, k.model
from {{ ref('int_attribution__conversion') }} as c
cross join {{ ref('attribution_models') }} as m
left join {{ ref('attribution_credit') }} as k
    on c.conversion_set = k.conversion_set and c.conversion_key = k.conversion_key and m.model = k.model
group by c.conversion_set, c.conversion_key, c.amount, m.model, k.model
having coalesce(sum(k.credit), 0) <> 1 or coalesce(sum(k.amount), 0) <> c.amount
