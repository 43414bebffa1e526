-- Which contacts earn credit, and of the others, why not: consent was refused by then, or another source told it too.
-- An e-mail's click in the mail log and the page it opened are one touch; so is a call that two systems wrote down.
with asked as (
    select c.*, n.consent_channel
    from {{ ref('int_attribution__contact') }} as c
    left join {{ ref('attribution_consent') }} as n on c.channel_group = n.channel_group and c.direction = n.direction
),

consented as (
    select
        a.*,
        case
            when a.is_untold then 'refused'
            when a.consent_channel is null then 'not_needed'
            when s.is_allowed then 'granted'
            when not s.is_allowed then 'refused'
            else 'unknown'
        end as consent
    from asked as a
    left join {{ ref('int_attribution__consent') }} as s
        on
            a.customer_id = s.customer_id
            and a.consent_channel = s.consent_channel
            and a.occurred_at >= s.valid_from
            and a.occurred_at < s.valid_to
),

followed as (
    select
        *,
        lag(source) over by_time as previous_source,
        lag(occurred_at) over by_time as previous_at,
        lag(channel_group) over by_time as previous_group,
        lag(campaign) over by_time as previous_campaign,
        lag(outcome) over by_time as previous_outcome
    from consented
    window by_time as (partition by customer_id, consent = 'refused' order by occurred_at, interaction_id)
)

select
    f.interaction_id,
    f.customer_id,
    f.occurred_at,
    f.source,
    f.channel,
    f.event_name,
    f.cost,
    f.currency,
    f.origin_id,
    f.traffic_source,
    f.traffic_medium,
    f.source_category,
    f.campaign,
    f.channel_group,
    f.acquisition_source,
    f.consent,
    case
        when f.consent = 'refused' then 'no_consent'
        when f.previous_source is null or f.previous_source = f.source then null
        when {{ seconds_between('f.previous_at', 'f.occurred_at') }} > p.value * 60 then null
        when f.channel_group = f.previous_group and coalesce(f.campaign, '') = coalesce(f.previous_campaign, '')
            then 'duplicate'
        when f.channel_group = 'Direct' and f.previous_outcome = 'clicked' then 'duplicate'
    end as reason
from followed as f
inner join {{ ref('attribution_parameters') }} as p on p.parameter = 'duplicate_minutes'
