-- How many records did each source deliver, and how many of them found their customer?
select
    q.source,
    q.entity,
    q.batches,
    q.records,
    q.records_with_customer,
    q.first_at,
    q.last_at
from {{ ref('source_quality') }} as q
