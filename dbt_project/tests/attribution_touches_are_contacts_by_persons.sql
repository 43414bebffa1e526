-- Every touch is a contact by a person and its customer's.
select t.touch_id
from {{ ref('attribution_touches') }} as t
left join {{ ref('fct_interactions') }} as i
    on t.touch_id = i.interaction_id and t.customer_id = i.customer_id and i.is_touch and i.interaction_class = 'person'
where i.interaction_id is null
