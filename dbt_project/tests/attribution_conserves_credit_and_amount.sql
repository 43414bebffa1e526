-- Every model splits every conversion exactly once: shares sum to 1, so parts of the amount sum to the amount.
select c.conversion_set, c.conversion_key
from {{ ref('int_attribution__conversion') }} as c
left join {{ ref('attribution_credit') }} as k
    on c.conversion_set = k.conversion_set and c.conversion_key = k.conversion_key
group by c.conversion_set, c.conversion_key, c.amount, c.conversions
having
    count(*) filter (where k.amount <> c.amount or k.conversions <> c.conversions) > 0
    or coalesce(sum(k.credit_first), 0) <> 1
    or coalesce(sum(k.credit_last), 0) <> 1
    or coalesce(sum(k.credit_last_non_direct), 0) <> 1
    or coalesce(sum(k.credit_linear), 0) <> 1
    or coalesce(sum(k.credit_position_based), 0) <> 1
    or coalesce(sum(k.credit_w_shaped), 0) <> 1
    or coalesce(sum(k.credit_time_decay), 0) <> 1
    or coalesce(sum(k.credit_shapley), 0) <> 1
    or coalesce(sum(k.credit_shapley_source), 0) <> 1
    or coalesce(sum(k.credit_shapley_campaign), 0) <> 1
