-- Each day's part of each fixed cost, by where the visits come from that it paid for.
-- What names no channel group is spread over what was spent on advertisements that day, in whole cents; on a day
-- without any it stands by itself.
{{ config(tags=['whole']) }}
with passed as (
    select *
    from {{ ref('int_spend__fixed_day') }}
    where cost_date < {{ as_of_date() }}
),

weighed as (
    select
        cost_date,
        channel_group,
        traffic_source,
        campaign,
        cast(cost * 100 as bigint) as weight,
        cast(sum(cast(cost * 100 as bigint)) over in_order as bigint) as weight_so_far,
        cast(sum(cast(cost * 100 as bigint)) over (partition by cost_date) as bigint) as weight_of_day
    from {{ ref('int_spend__ad_day') }}
    where cost > 0
    window in_order as (
        partition by cost_date
        order by channel_group, traffic_source, campaign
        rows between unbounded preceding and current row
    )
)

select
    cost_id,
    cost_date,
    channel_group,
    traffic_source,
    campaign,
    currency,
    cents
from passed
where channel_group is not null
union all
select
    p.cost_id,
    p.cost_date,
    coalesce(w.channel_group, '(none)'),
    coalesce(w.traffic_source, '(none)'),
    coalesce(w.campaign, '(none)'),
    p.currency,
    case
        when w.weight_of_day is null then p.cents
        else
            {{ int_div('p.cents * w.weight_so_far', 'w.weight_of_day') }}
            - {{ int_div('p.cents * (w.weight_so_far - w.weight)', 'w.weight_of_day') }}
    end as cents
from passed as p
left join weighed as w on p.cost_date = w.cost_date and w.weight_of_day > 0
where p.channel_group is null
