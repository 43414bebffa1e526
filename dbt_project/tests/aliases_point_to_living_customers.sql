{{ config(tags=['whole']) }}
select a.customer_id_old
from {{ ref('customer_alias') }} as a
left join {{ ref('customer_360') }} as c on a.customer_id = c.customer_id
left join {{ ref('customer_360') }} as o on a.customer_id_old = o.customer_id
where c.customer_id is null or o.customer_id is not null
