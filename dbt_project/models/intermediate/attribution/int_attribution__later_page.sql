-- Pages of a web session after its first: they tell nothing new of where the visitor came from.
with pages as (
    select
        interaction_id,
        row_number() over (
            partition by customer_id, source, session_id
            order by occurred_at, interaction_id
        ) as session_rank
    from {{ ref('fct_interactions') }}
    where is_touch and interaction_class = 'person' and customer_id is not null and session_id is not null
)

select interaction_id
from pages
where session_rank > 1
