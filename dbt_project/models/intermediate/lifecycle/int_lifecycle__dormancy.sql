-- When was each customer dormant: silent for as many days as the rule of that time says, until the next sign of life?
-- One row for each rule under which a part of a silence counts.
with rules as (
    {{ dated_rules(ref('lifecycle_parameters'), ['parameter', 'value']) }}
),

silences as (
    select
        customer_id,
        last_at as silent_since,
        lead(first_at) over (partition by customer_id order by stretch_number) as next_at
    from {{ ref('int_lifecycle__activity') }}
),

parts as (
    select
        s.customer_id,
        greatest({{ add_days('s.silent_since', 'r.value') }}, r.valid_from) as began_at,
        least(coalesce(s.next_at, cast('9999-12-31' as timestamp)), r.valid_to) as ended_at
    from silences as s
    inner join rules as r
        on
            r.parameter = 'dormant_after'
            and (s.next_at is null or s.next_at > {{ add_days('s.silent_since', 'r.value') }})
)

select
    customer_id,
    began_at,
    nullif(ended_at, cast('9999-12-31' as timestamp)) as ended_at
from parts
where began_at < ended_at and began_at <= {{ as_of() }}
