-- Which contacts may earn credit, where did each come from, and what did it cost?
with touches as (
    select
        c.*,
        {{ converted('c.cost', 'c.currency', 'x.rate') }} as converted_cost
    from {{ ref('int_attribution__judged_contact') }} as c
    left join {{ ref('int_sales__exchange_rate') }} as x
        on
            c.cost is not null and c.currency = x.currency
            and c.occurred_at >= x.valid_from and c.occurred_at < x.valid_to
    where c.reason is null
)

select
    interaction_id as touch_id,
    customer_id,
    occurred_at as touched_at,
    cast(source as {{ text_type() }}) as source,
    cast(channel as {{ text_type() }}) as channel,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(traffic_source as {{ text_type() }}) as traffic_source,
    cast(traffic_medium as {{ text_type() }}) as traffic_medium,
    cast(source_category as {{ text_type() }}) as source_category,
    cast(campaign as {{ text_type() }}) as campaign,
    cast(event_name as {{ text_type() }}) as event_name,
    cast(consent as {{ text_type() }}) as consent,
    cast(converted_cost as decimal(18, 6)) as cost,
    origin_id,
    lag(origin_id) over by_time as previous_origin_id,
    lead(origin_id) over by_time is null as is_last_touch
from touches
window by_time as (partition by customer_id order by occurred_at, interaction_id)
