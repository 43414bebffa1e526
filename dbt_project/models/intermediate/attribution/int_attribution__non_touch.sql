-- Why each contact that earns no credit earns none: the first reason that holds.
with judged as (
    select
        interaction_id,
        customer_id,
        source,
        channel,
        occurred_at,
        case
            when customer_id is null then 'no_customer'
            when interaction_class <> 'person' then interaction_class
            when not is_touch then 'not_inbound'
        end as reason
    from {{ ref('fct_interactions') }}
)

select j.interaction_id, j.customer_id, j.source, j.channel, j.occurred_at, j.reason
from judged as j
where j.reason is not null
union all
select
    j.interaction_id,
    j.customer_id,
    j.source,
    j.channel,
    j.occurred_at,
    coalesce(c.reason, 'same_session') as reason
from judged as j
left join {{ ref('int_attribution__judged_contact') }} as c on j.interaction_id = c.interaction_id
where j.reason is null and (c.interaction_id is null or c.reason is not null)
