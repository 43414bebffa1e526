-- Which contacts earn no credit, and why: consent was refused by then, or another source told of them too. An e-mail's
-- click in the mail log and the page it opened are one touch; so is a call that two systems wrote down.
with followed as (
    select
        interaction_id,
        occurred_at,
        source,
        arrival_number,
        consent = 'refused' as is_refused,
        lag(source) over by_time as previous_source,
        lag(occurred_at) over by_time as previous_at,
        lag(arrival_number) over by_time as previous_arrival,
        lag(is_click) over by_time as previous_is_click
    from {{ ref('int_attribution__contact') }}
    window by_time as (partition by customer_id, consent = 'refused' order by occurred_at, interaction_id)
),

judged as (
    select
        f.interaction_id,
        case
            when f.is_refused then 'no_consent'
            when f.previous_source is null or f.previous_source = f.source then null
            when {{ seconds_between('f.previous_at', 'f.occurred_at') }} > p.value * 60 then null
            when o.channel_group = b.channel_group and coalesce(o.campaign, '') = coalesce(b.campaign, '')
                then 'duplicate'
            when o.channel_group = 'Direct' and f.previous_is_click then 'duplicate'
        end as reason
    from followed as f
    inner join {{ ref('attribution_parameters') }} as p on p.parameter = 'duplicate_minutes'
    inner join {{ ref('int_attribution__origin') }} as o on f.arrival_number = o.arrival_number
    left join {{ ref('int_attribution__origin') }} as b on f.previous_arrival = b.arrival_number
)

select interaction_id, reason
from judged
where reason is not null
