-- When had each source, channel and campaign brought back what it had cost by then, by model and conversion set?
-- Counted from the month of its first cost on.
with begun as (
    select
        *,
        min(case when cost > 0 then month end) over (
            partition by model, conversion_set, acquisition_source, channel_group, campaign
        ) as first_cost_month
    from {{ ref('attribution_returns') }}
),

cumulated as (
    select
        *,
        sum(cost) over so_far as cost_so_far,
        sum(amount) over so_far as amount_so_far
    from begun
    where month >= first_cost_month
    window so_far as (
        partition by model, conversion_set, acquisition_source, channel_group, campaign
        order by month
        rows between unbounded preceding and current row
    )
),

summed as (
    select
        model,
        conversion_set,
        acquisition_source,
        channel_group,
        campaign,
        first_cost_month,
        cast(sum(cost) as decimal(18, 6)) as cost,
        cast(sum(amount) as decimal(18, 2)) as amount,
        min(month) filter (where amount_so_far >= cost_so_far) as payback_month
    from cumulated
    group by 1, 2, 3, 4, 5, 6
)

select
    model,
    conversion_set,
    acquisition_source,
    channel_group,
    campaign,
    first_cost_month,
    payback_month,
    cast(
        12 * (extract(year from payback_month) - extract(year from first_cost_month))
        + extract(month from payback_month) - extract(month from first_cost_month)
        as integer
    ) as payback_months,
    cost,
    amount,
    amount >= cost as is_paid_back
from summed
