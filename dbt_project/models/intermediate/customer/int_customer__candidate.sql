-- What competes where a customer has several contact records: each group of fields a record states, with what the
-- criteria of survivorship_rules say of it. Customers with one record have nothing to choose.
with several as (
    select
        *,
        {{ epoch_us('last_asserted_at') }} as recency,
        -1 * {{ epoch_us('first_asserted_at') }} as seniority
    from {{ ref('int_customer__record') }}
    where contact_records > 1
),

stated as (
    {% for group, survive in survivorship_groups().items() %}
        {% if not loop.first %}union all{% endif %}
        select
            customer_id,
            record_key,
            '{{ group }}' as field_group,
            {{ stated_value(survive.fields) }} as stated_value,
            {{ fields_given(survive.fields) }} as completeness,
            trust,
            recency,
            seniority,
            is_superseded
        from several
        where {{ survive.given }} is not null
    {% endfor %}
),

counted as (
    select
        *,
        count(case when not is_superseded then 1 end)
            over (partition by customer_id, field_group, stated_value) as frequency
    from stated
),

scored as (
    select
        c.*,
        {{ criterion('r.first_criterion') }} as first_score,
        {{ criterion('r.second_criterion') }} as second_score,
        {{ criterion('r.third_criterion') }} as third_score,
        {{ criterion('r.fourth_criterion') }} as fourth_score
    from counted as c
    left join {{ ref('survivorship_rules') }} as r on c.field_group = r.field_group
)

select
    customer_id,
    field_group,
    record_key,
    stated_value,
    is_superseded,
    recency,
    first_score,
    second_score,
    third_score,
    fourth_score,
    row_number() over (
        partition by customer_id, field_group
        order by
            is_superseded asc,
            first_score desc,
            second_score desc,
            third_score desc,
            fourth_score desc,
            recency desc,
            record_key asc
    ) as survival_rank
from scored
