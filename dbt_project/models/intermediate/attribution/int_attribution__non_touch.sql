-- Why each contact that earns no credit earns none: the first reason that holds.
with judged as (
    select
        i.interaction_id,
        i.customer_id,
        i.source,
        i.channel,
        i.occurred_at,
        case
            when i.customer_id is null then 'no_customer'
            when i.interaction_class <> 'person' then i.interaction_class
            when not i.is_touch then 'not_inbound'
            when p.interaction_id is not null then 'same_session'
            else r.reason
        end as reason
    from {{ ref('fct_interactions') }} as i
    left join {{ ref('int_attribution__later_page') }} as p on i.interaction_id = p.interaction_id
    left join {{ ref('int_attribution__rejected_contact') }} as r on i.interaction_id = r.interaction_id
)

select interaction_id, customer_id, source, channel, occurred_at, reason
from judged
where reason is not null
