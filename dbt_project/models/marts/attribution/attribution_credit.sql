-- Which share of which conversion does each model give to each touch?
-- Shares are whole billionths that sum to exactly 1; a touch's part of the amount is its share times the amount.
with parameters as (
    select
        max(value) filter (where parameter = 'position_first_percent') as first_percent,
        max(value) filter (where parameter = 'position_last_percent') as last_percent,
        max(value) filter (where parameter = 'w_shaped_others_percent') as others_percent
    from {{ ref('attribution_parameters') }}
),

positioned as (
    select
        p.*,
        -- Position-based, as whole weights: the ends of a path of two or more, and between them equal parts.
        case
            when p.touches = 1 then 1
            when p.touches = 2 then case when p.touch_number = 1 then s.first_percent else s.last_percent end
            when p.touch_number = 1 then s.first_percent * (p.touches - 2)
            when p.touch_number = p.touches then s.last_percent * (p.touches - 2)
            else 100 - s.first_percent - s.last_percent
        end as position_weight,
        case
            when p.touches = 1 then 1
            when p.touches = 2
                then s.first_percent + case when p.touch_number = 2 then s.last_percent else 0 end
            when p.touch_number = p.touches then 100 * (p.touches - 2)
            else
                s.first_percent * (p.touches - 2)
                + (100 - s.first_percent - s.last_percent) * (p.touch_number - 1)
        end as position_so_far,
        case
            when p.touches = 1 then 1
            when p.touches = 2 then s.first_percent + s.last_percent
            else 100 * (p.touches - 2)
        end as position_sum,
        -- W-shaped: anchors share all but what the other touches share; without others, all.
        case when p.others = 0 then 1 else (100 - s.others_percent) * p.others end as anchor_weight,
        case when p.others = 0 then 0 else s.others_percent * p.anchors_sum end as other_weight
    from {{ ref('int_attribution__path') }} as p
    cross join parameters as s
)

select
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    conversion_key,
    cast(case when touch_id is null then 0 else touch_number end as integer) as touch_number,
    customer_id,
    touch_id,
    converted_at,
    cast(conversions as integer) as conversions,
    amount,
    origin_id,
    previous_origin_id,
    touch_number = touches as is_last,
    {{ days_between('touched_at', 'path_ends_at') }} as days_before,
    cast(case when touch_number = 1 then 1 else 0 end as decimal(10, 9)) as credit_first,
    cast(case when touch_number = touches then 1 else 0 end as decimal(10, 9)) as credit_last,
    cast(
        case
            when touch_number = case when non_direct_number = 0 then touches else non_direct_number end then 1 else 0
        end
        as decimal(10, 9)
    ) as credit_last_non_direct,
    {{ share_between('weight_so_far', 'weight', 'weight_sum') }} as credit_linear,
    {{ share_between('position_so_far', 'position_weight', 'position_sum') }} as credit_position_based,
    {{ share_between(
        '(anchors_so_far * anchor_weight + others_so_far * other_weight)',
        '(anchors * anchor_weight + case when anchors = 0 then other_weight else 0 end)',
        '(anchors_sum * anchor_weight + others * other_weight)'
    ) }} as credit_w_shaped,
    {{ share_between('decayed_so_far', 'decayed', 'decayed_sum') }} as credit_time_decay,
    {{ equal_share('is_first_channel', 'channels') }} as credit_shapley,
    {{ equal_share('is_first_source', 'sources') }} as credit_shapley_source,
    {{ equal_share('is_first_campaign', 'campaigns') }} as credit_shapley_campaign
from positioned
