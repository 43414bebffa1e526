-- Into which customer was an earlier customer id merged, and in which night?
select
    customer_id_old,
    customer_id,
    cast(merged_as_of as timestamp) as merged_as_of
from {{ source('identity', 'customer_alias') }}
