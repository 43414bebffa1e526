-- Each conversion's touches in their order, with the running sums from which the models split its credit.
with weighed as (
    select
        p.*,
        coalesce(s.stage_changes, 0) as stage_changes,
        -- Half as much for every half-life before the path's last touch, in whole billionths, and never nothing.
        greatest(
            1,
            cast(floor(1e9 * power(
                cast(0.5 as {{ double_type() }}),
                cast({{ seconds_between('p.touched_at', 'p.last_touched_at') }} as {{ double_type() }})
                / cast(86400 * h.value as {{ double_type() }})
            ) + 0.5) as bigint)
        ) * p.weight as decayed
    from {{ ref('int_attribution__path_touch') }} as p
    inner join {{ ref('attribution_parameters') }} as h on h.parameter = 'half_life_days'
    left join {{ ref('int_attribution__stage_change') }} as s
        on p.conversion_set = s.conversion_set and p.conversion_key = s.conversion_key and p.touch_id = s.touch_id
),

anchored as (
    select
        *,
        -- W-shaped: the first touch, and every move to a later stage, each an equal part.
        stage_changes + case when touch_number = 1 then 1 else 0 end as anchors
    from weighed
)

select
    conversion_set,
    conversion_key,
    customer_id,
    converted_at,
    conversions,
    amount,
    touch_id,
    touched_at,
    path_ends_at,
    origin_id,
    lag(origin_id) over by_number as previous_origin_id,
    touch_number,
    weight,
    decayed,
    anchors,
    is_first_channel,
    is_first_source,
    is_first_campaign,
    count(*) over whole_path as touches,
    max(case when channel_group <> 'Direct' then touch_number else 0 end) over whole_path as non_direct_number,
    cast(sum(weight) over so_far as bigint) as weight_so_far,
    cast(sum(weight) over whole_path as bigint) as weight_sum,
    cast(sum(decayed) over so_far as bigint) as decayed_so_far,
    cast(sum(decayed) over whole_path as bigint) as decayed_sum,
    cast(sum(anchors) over so_far as bigint) as anchors_so_far,
    cast(sum(anchors) over whole_path as bigint) as anchors_sum,
    cast(sum(case when anchors = 0 then 1 else 0 end) over so_far as bigint) as others_so_far,
    cast(sum(case when anchors = 0 then 1 else 0 end) over whole_path as bigint) as others,
    cast(sum(is_first_channel) over whole_path as bigint) as channels,
    cast(sum(is_first_source) over whole_path as bigint) as sources,
    cast(sum(is_first_campaign) over whole_path as bigint) as campaigns
from anchored
window -- by the key first: numbers are told apart faster than names
    whole_path as (partition by conversion_key, conversion_set),
    by_number as (partition by conversion_key, conversion_set order by touch_number),
    so_far as (
        partition by conversion_key, conversion_set
        order by touch_number
        rows between unbounded preceding and current row
    )
