select c.conversion_set, c.conversion_key, c.touch_id
from {{ ref('attribution_credit') }} as c
inner join {{ ref('attribution_touches') }} as t on c.touch_id = t.touch_id
where t.touched_at > c.converted_at
