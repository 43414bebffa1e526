-- What did each source deliver, and how much of it found its customer?
select
    cast(source as {{ text_type() }}) as source,
    cast(entity as {{ text_type() }}) as entity,
    count(distinct batch_id) as batches,
    count(*) as records,
    count(customer_id) as records_with_customer,
    min(happened_at) as first_at,
    max(happened_at) as last_at
from {{ ref('int_quality__record') }}
group by source, entity
