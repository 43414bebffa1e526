-- Every touch is a contact by a person, still its customer's, and has an acquisition source.
select n.touch_id
from {{ ref('int_attribution__touch') }} as n
left join {{ ref('attribution_touches') }} as t on n.touch_id = t.touch_id
left join {{ ref('fct_interactions') }} as i on n.touch_id = i.interaction_id
where
    t.touch_id is null
    or i.interaction_id is null
    or not i.is_touch
    or i.interaction_class <> 'person'
    or i.customer_id is distinct from t.customer_id
