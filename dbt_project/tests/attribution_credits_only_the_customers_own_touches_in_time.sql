-- A credited touch is the same customer's, within the look-back and not after the conversion.
select c.conversion_set, c.conversion_key, c.touch_id
from {{ ref('attribution_credit') }} as c
inner join {{ ref('attribution_conversions') }} as p on c.conversion_set = p.conversion_set
left join {{ ref('attribution_touches') }} as t on c.touch_id = t.touch_id and c.customer_id = t.customer_id
where
    c.touch_number > 0
    and (
        t.touch_id is null
        or t.touched_at > c.converted_at
        or t.touched_at < {{ add_days('c.converted_at', '-1 * p.lookback_days') }}
    )
