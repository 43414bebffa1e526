-- How often do reviewers say "one person", and between which bounds may the truth lie? Of the audit of customers drawn
-- at random, which is identity's precision; and of the grey zone, which tells nothing of it, for doubt chose its pairs.
{{ config(tags=['whole']) }}

with answers as (
    select
        split_part(measure, '_', 1) as sample,
        -- 1e0: counted in floating point where an engine has exact numbers of few digits only.
        1e0 * sum(case when measure like '%same' then figure else 0 end) as same,
        1e0 * sum(figure) as answers
    from {{ source('identity', 'night_figure') }}
    where measure in ('audit_same', 'audit_different', 'grey_same', 'grey_different')
    group by split_part(measure, '_', 1)
),

parameters as (
    select
        max(case when parameter = 'fewest_answers' then figure end) as fewest_answers,
        1e0 * max(case when parameter = 'confidence_z' then figure end) as z
    from {{ ref('identity_quality_parameters') }}
)

select
    a.sample,
    cast(a.answers as bigint) as answers,
    cast(p.fewest_answers as bigint) as fewest_answers,
    cast(case when a.answers >= p.fewest_answers then a.same / a.answers end as decimal(18, 6)) as estimate,
    cast(
        case when a.answers >= p.fewest_answers then {{ interval_of('a.same', 'a.answers', 'p.z', '-') }} end
        as decimal(18, 6)
    ) as lower_bound,
    cast(
        case when a.answers >= p.fewest_answers then {{ interval_of('a.same', 'a.answers', 'p.z', '+') }} end
        as decimal(18, 6)
    ) as upper_bound
from answers as a
cross join parameters as p
