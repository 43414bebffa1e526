-- When was a customer out of the question: told so by the newest record that states a stage, before any deal?
with words as (
    {{ dated_rules(ref('disqualified_stages'), ['stated_stage']) }}
),

-- A statement counts until one that outranks it was made.
statements as (
    select
        customer_id,
        record_key,
        stated_stage,
        last_asserted_at as stated_at,
        min(last_asserted_at) over (
            partition by customer_id
            order by recency_rank desc
            rows between 1 following and unbounded following
        ) as outranked_at
    from {{ ref('int_customer__record') }}
    where stated_stage is not null
),

refusals as (
    select s.customer_id, s.stated_at, s.outranked_at
    from statements as s
    inner join words as w
        on
            w.stated_stage = {{ lower_case('s.stated_stage') }}
            and s.stated_at >= w.valid_from
            and s.stated_at < w.valid_to
    where s.outranked_at is null or s.outranked_at > s.stated_at
)

select
    r.customer_id,
    greatest(r.stated_at, h.began_at) as began_at,
    nullif(
        least(
            coalesce(r.outranked_at, cast('9999-12-31' as timestamp)),
            coalesce(h.ended_at, cast('9999-12-31' as timestamp))
        ),
        cast('9999-12-31' as timestamp)
    ) as ended_at
from refusals as r
inner join {{ ref('lifecycle_history') }} as h
    on
        r.customer_id = h.customer_id
        and h.stage in ('unidentified', 'prospect')
        and (h.ended_at is null or r.stated_at < h.ended_at)
        and (r.outranked_at is null or r.outranked_at > h.began_at)
