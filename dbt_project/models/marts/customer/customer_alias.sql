-- Into which customer was an earlier customer id merged, and in which night?
select
    a.customer_id_old,
    a.customer_id,
    cast(a.merged_as_of as timestamp) as merged_as_of
from {{ source('identity', 'customer_alias') }} as a
-- Whoever was merged into a customer that all records have left since is nobody any more.
inner join {{ source('identity', 'customer') }} as c on a.customer_id = c.customer_id
