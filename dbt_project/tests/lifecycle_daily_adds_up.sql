-- opening + entries - exits = closing, every day; a day opens as the one before closed; no day of a stage is missing.
with days as (
    select
        *,
        lag(closing) over by_day as closing_before,
        lag(day) over by_day as day_before,
        count(*) over (partition by day) as stages
    from {{ ref('lifecycle_daily') }}
    window by_day as (partition by stage order by day)
)

select day, stage
from days
where
    opening + entries - exits <> closing
    or opening < 0
    or closing < 0
    or opening is distinct from coalesce(closing_before, opening)
    or day_before + 1 is distinct from case when day_before is not null then day end
    or stages <> 5
    or is_complete <> (day < {{ as_of_date() }})
    or day > {{ as_of_date() }}
