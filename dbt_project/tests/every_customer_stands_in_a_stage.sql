-- Exactly the customers that identity knows are in customer_360, and each stands in a stage, the same in both marts.
select i.customer_id, c.customer_id as in_customer_360, l.stage
from {{ source('identity', 'customer') }} as i
full outer join {{ ref('customer_360') }} as c on i.customer_id = c.customer_id
full outer join {{ ref('lifecycle_current') }} as l on c.customer_id = l.customer_id
where
    i.customer_id is null
    or c.customer_id is null
    or l.customer_id is null
    or c.stage is distinct from l.stage
    or c.stage_since is distinct from l.stage_since
