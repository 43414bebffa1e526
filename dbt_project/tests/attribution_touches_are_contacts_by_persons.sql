select t.touch_id
from {{ ref('attribution_touches') }} as t
left join {{ ref('fct_interactions') }} as i on t.touch_id = i.interaction_id
where
    i.interaction_id is null
    or not i.is_touch
    or i.interaction_class <> 'person'
    or i.customer_id is distinct from t.customer_id
