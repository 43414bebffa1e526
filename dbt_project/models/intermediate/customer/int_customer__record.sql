-- Contact records with their customer, the newest assertion of each customer first.
select
    r.customer_id,
    c.*,
    row_number() over (
        partition by r.customer_id
        order by c.is_deleted, c.last_asserted_at desc nulls last, c.record_key
    ) as recency_rank
from {{ ref('contact_record') }} as c
inner join {{ source('identity', 'customer_record') }} as r on c.record_key = r.record_key
