-- A credited touch is the same customer's, within the look-back and not after the conversion.
select c.conversion_set, c.conversion_key, k.touch_id
from {{ ref('attribution_credit') }} as k
inner join {{ ref('int_attribution__conversion') }} as c
    on k.conversion_set = c.conversion_set and k.conversion_key = c.conversion_key
left join {{ ref('attribution_touches') }} as t on k.touch_id = t.touch_id and c.customer_id = t.customer_id
where
    k.touch_number > 0
    and (
        t.touch_id is null
        or k.customer_id <> c.customer_id
        or t.touched_at > c.converted_at
        or t.touched_at > c.path_ends_at
        or t.touched_at < c.credit_from
    )
