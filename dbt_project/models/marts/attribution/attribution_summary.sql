-- What did each channel, source and campaign bring and cost, by model, conversion and month?
-- Each grain holds everything once. Cents are rounded so that each month's sum is exactly its conversions' amount.
with summed as (
    select
        grain,
        model,
        conversion_set,
        month,
        acquisition_source,
        channel_group,
        traffic_source,
        campaign,
        sum(conversions) as conversions,
        cast(sum(amount) as decimal(30, 11)) as amount,
        sum(spend) as spend
    from {{ ref('int_attribution__entry') }}
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

added as (
    select
        *,
        cast(sum(amount) over (
            partition by grain, model, conversion_set, month
            order by acquisition_source, channel_group, traffic_source, campaign
            rows between unbounded preceding and current row
        ) as decimal(30, 11)) as amount_so_far
    from summed
)

select
    cast(grain as {{ text_type() }}) as grain,
    cast(model as {{ text_type() }}) as model,
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    month,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(traffic_source as {{ text_type() }}) as traffic_source,
    cast(campaign as {{ text_type() }}) as campaign,
    cast(conversions as decimal(18, 9)) as conversions,
    cast(
        cast(amount_so_far as decimal(18, 2)) - cast(amount_so_far - amount as decimal(18, 2)) as decimal(18, 2)
    ) as amount,
    cast(spend as decimal(18, 6)) as spend
from added
