-- Every touch is a contact by a person and its customer's; every other contact has one reason why it is none, and only
-- what belongs to a session was told by another page of it.
select i.interaction_id
from {{ ref('fct_interactions') }} as i
left join {{ ref('attribution_touches') }} as t
    on i.interaction_id = t.touch_id and i.customer_id = t.customer_id and i.is_touch and i.interaction_class = 'person'
left join {{ ref('int_attribution__non_touch') }} as n on i.interaction_id = n.interaction_id
where (t.touch_id is null) = (n.reason is null) or (n.reason = 'same_session' and i.session_id is null)
