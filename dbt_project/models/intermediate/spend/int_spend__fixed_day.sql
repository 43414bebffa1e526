-- Each fixed cost's part for each of its days, in whole cents that add up to it exactly.
{{ config(tags=['whole']) }}
with numbers as ({{ day_numbers() }}),

costs as (
    select
        cost_id,
        nullif(trim(both ' ' from channel_group), '') as channel_group,
        coalesce(nullif({{ lower_case("trim(both ' ' from traffic_source)") }}, ''), '(none)') as traffic_source,
        coalesce(nullif({{ lower_case("trim(both ' ' from campaign)") }}, ''), '(none)') as campaign,
        currency,
        first_day,
        cast(amount * 100 as bigint) as cents,
        {{ days_between('cast(first_day as timestamp)', 'cast(last_day as timestamp)') }} + 1 as days
    from {{ ref('fixed_costs') }}
)

select
    c.cost_id,
    c.first_day + n.n as cost_date,
    c.channel_group,
    c.traffic_source,
    c.campaign,
    c.currency,
    {{ int_div('c.cents * (n.n + 1)', 'c.days') }} - {{ int_div('c.cents * n.n', 'c.days') }} as cents
from costs as c
inner join numbers as n on c.days > n.n
