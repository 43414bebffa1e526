-- The touches of each conversion within its look-back, numbered from the first and from the last.
select
    c.conversion_set,
    c.conversion_key,
    t.touch_id,
    cast(row_number() over (
        partition by c.conversion_set, c.conversion_key order by t.touched_at, t.touch_id
    ) as bigint) as touch_number,
    cast(row_number() over (
        partition by c.conversion_set, c.conversion_key order by t.touched_at desc, t.touch_id desc
    ) as bigint) as touch_number_from_last,
    cast(count(*) over (partition by c.conversion_set, c.conversion_key) as bigint) as touch_count
from {{ ref('int_attribution__conversion') }} as c
inner join {{ ref('attribution_touches') }} as t
    on
        c.customer_id = t.customer_id
        and c.converted_at >= t.touched_at
        and c.credit_from <= t.touched_at
