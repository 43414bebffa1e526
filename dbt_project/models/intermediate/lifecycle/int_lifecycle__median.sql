-- After how many days has half of those who entered a stage left it? Kaplan and Meier's estimate (1958): who is still
-- there counts as at risk up to tonight. Empty where the curve does not come down to a half.
{{ config(tags=['whole']) }}
with days as (
    select
        cohort_by,
        cohort,
        stage,
        days,
        sum(stays) as stays,
        coalesce(sum(stays) filter (where not is_open), 0) as exits
    from {{ ref('int_lifecycle__cohort') }}
    group by cohort_by, cohort, stage, days
),

risks as (
    select
        *,
        sum(stays) over (
            partition by cohort_by, cohort, stage
            order by days desc
            rows between unbounded preceding and current row
        ) as at_risk
    from days
),

-- The logarithm of the share that stays on; of a day on which everybody left there is none.
curve as (
    select
        cohort_by,
        cohort,
        stage,
        days,
        max(case when exits = at_risk then 1 else 0 end) over up_to_day as is_empty,
        sum(case when exits < at_risk then ln(at_risk - exits) - ln(at_risk) end) over up_to_day as log_staying
    from risks
    window up_to_day as (
        partition by cohort_by, cohort, stage
        order by days
        rows between unbounded preceding and current row
    )
)

select cohort_by, cohort, stage, min(days) as median_days
from curve
-- A half that was rounded up in its last digit is a half.
where is_empty = 1 or log_staying <= ln(0.5) + 0.000000001
group by cohort_by, cohort, stage
