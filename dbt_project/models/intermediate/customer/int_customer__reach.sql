-- How can a customer be reached? One e-mail address and one phone number, why these, and since when. Their own come
-- before those they share, those that only deleted or merged records carry last; then survivorship_rules decide.
with several as (
    select customer_id, identifier_type, cast(count(*) as integer) as competing_values
    from {{ ref('int_customer__address') }}
    group by customer_id, identifier_type
    having count(*) > 1
),

measured as (
    select
        a.*,
        s.competing_values,
        a.last_seen_at is null as is_superseded,
        coalesce({{ epoch_us('a.last_seen_at') }}, 0) as recency,
        -1 * {{ epoch_us('a.first_seen_at') }} as seniority,
        0 as completeness,
        r.first_criterion,
        r.second_criterion,
        r.third_criterion
    from {{ ref('int_customer__address') }} as a
    inner join several as s on a.customer_id = s.customer_id and a.identifier_type = s.identifier_type
    left join {{ ref('survivorship_rules') }} as r on a.identifier_type = r.field_group
),

scored as (
    select
        *,
        {{ criterion('first_criterion') }} as first_score,
        {{ criterion('second_criterion') }} as second_score,
        {{ criterion('third_criterion') }} as third_score
    from measured
),

ranked as (
    select
        *,
        min(first_seen_at) over (partition by customer_id, identifier_type) as reachable_since,
        row_number() over best_first as survival_rank,
        lead(is_shared) over best_first as rival_is_shared,
        lead(is_superseded) over best_first as rival_is_superseded,
        lead(first_score) over best_first as rival_first_score,
        lead(second_score) over best_first as rival_second_score,
        lead(third_score) over best_first as rival_third_score
    from scored
    window best_first as (
        partition by customer_id, identifier_type
        order by
            is_shared asc,
            is_superseded asc,
            first_score desc,
            second_score desc,
            third_score desc,
            identifier_key asc
    )
),

chosen as (
    select
        customer_id,
        identifier_type,
        identifier_value,
        record_key,
        source,
        last_seen_at,
        reachable_since,
        competing_values,
        case
            when rival_is_shared and not is_shared then 'own'
            when rival_is_superseded and not is_superseded then 'living'
            when first_score > rival_first_score then first_criterion
            when second_score > rival_second_score then second_criterion
            when third_score > rival_third_score then third_criterion
            else 'key'
        end as survivorship_rule
    from ranked
    where survival_rank = 1
    union all
    select
        a.customer_id,
        a.identifier_type,
        a.identifier_value,
        a.record_key,
        a.source,
        a.last_seen_at,
        a.first_seen_at,
        1,
        'only'
    from {{ ref('int_customer__address') }} as a
    left join several as s on a.customer_id = s.customer_id and a.identifier_type = s.identifier_type
    where s.customer_id is null
),

emails as (
    select * from chosen
    where identifier_type = 'email'
),

phones as (
    select * from chosen
    where identifier_type = 'phone'
)

select
    coalesce(e.customer_id, p.customer_id) as customer_id,
    e.identifier_value as email,
    e.record_key as email_record_key,
    e.source as email_source,
    e.last_seen_at as email_observed_at,
    e.survivorship_rule as email_rule,
    e.competing_values as email_values,
    p.identifier_value as phone,
    p.record_key as phone_record_key,
    p.source as phone_source,
    p.last_seen_at as phone_observed_at,
    p.survivorship_rule as phone_rule,
    p.competing_values as phone_values,
    least(e.reachable_since, p.reachable_since) as reachable_since
from emails as e
full outer join phones as p on e.customer_id = p.customer_id
