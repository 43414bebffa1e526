-- What the customers who converted did, of the steps between touches (`int_attribution__step`): those up to their last
-- conversion led to it. After it a journey begins anew with the first touch (`is_anew`), unless nothing came before.
{%- set by = ['conversion_set', 'previous_origin_id', 'origin_id', 'is_last_touch', 'is_anew'] %}
{{ config(tags=['tally'], meta={'tally': {'by': by, 'rows': 'touches'}}) }}
with touches as (
    {{ weighted_rows(
        ref('attribution_touches'),
        ['customer_id', 'touch_id', 'touched_at', 'previous_origin_id', 'origin_id', 'is_last_touch']
    ) }}
),

credit as (
    {{ weighted_rows(ref('attribution_credit'), ['conversion_set', 'customer_id', 'converted_at', 'conversions']) }}
),

last_conversions as (
    select conversion_set, customer_id, weight, max(converted_at) as converted_at
    from credit
    where conversions = 1
    group by conversion_set, customer_id, weight
),

told as (
    select
        c.conversion_set,
        t.customer_id,
        t.touch_id,
        t.touched_at,
        t.previous_origin_id,
        t.origin_id,
        t.is_last_touch,
        t.weight,
        t.touched_at > c.converted_at as is_after
    from touches as t
    inner join last_conversions as c on t.customer_id = c.customer_id and t.weight = c.weight
),

after as (
    select
        conversion_set,
        previous_origin_id,
        origin_id,
        is_last_touch,
        weight,
        row_number() over (partition by conversion_set, customer_id, weight order by touched_at, touch_id) as place
    from told
    where is_after
),

steps as (
    select conversion_set, previous_origin_id, origin_id, is_last_touch, false as is_anew, weight
    from told
    where not is_after
    union all
    select conversion_set, previous_origin_id, origin_id, is_last_touch, true, weight
    from after
    where place = 1 and previous_origin_id is not null
)

select {{ by | join(', ') }}, cast(sum(weight) as bigint) as touches
from steps
group by {{ by | join(', ') }}
