-- Which contacts may earn credit, where did each come from, and what did it cost?
with touches as (
    select
        c.*,
        lag(c.origin_id) over by_time as previous_origin_id,
        lead(c.origin_id) over by_time is null as is_last_touch
    from {{ ref('int_attribution__contact') }} as c
    left join {{ ref('int_attribution__rejected_contact') }} as r on c.interaction_id = r.interaction_id
    where r.interaction_id is null
    window by_time as (partition by c.customer_id order by c.occurred_at, c.interaction_id)
)

select
    t.interaction_id as touch_id,
    t.customer_id,
    t.occurred_at as touched_at,
    cast(t.source as {{ text_type() }}) as source,
    cast(o.channel as {{ text_type() }}) as channel,
    cast(o.channel_group as {{ text_type() }}) as channel_group,
    cast(o.acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(o.traffic_source as {{ text_type() }}) as traffic_source,
    cast(o.traffic_medium as {{ text_type() }}) as traffic_medium,
    cast(o.source_category as {{ text_type() }}) as source_category,
    cast(o.campaign as {{ text_type() }}) as campaign,
    cast(t.event_name as {{ text_type() }}) as event_name,
    cast(t.consent as {{ text_type() }}) as consent,
    cast({{ converted('t.cost', 't.currency', 'x.rate') }} as decimal(18, 6)) as cost,
    t.origin_id,
    t.previous_origin_id,
    t.is_last_touch
from touches as t
inner join {{ ref('int_attribution__origin') }} as o on t.arrival_number = o.arrival_number
left join {{ ref('int_sales__exchange_rate') }} as x
    on
        t.cost is not null and t.currency = x.currency
        and t.occurred_at >= x.valid_from and t.occurred_at < x.valid_to
