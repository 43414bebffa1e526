-- What each channel, source and campaign earned by each model and what was spent on it, before rounding to cents.
{{ config(tags=['whole']) }}
with attributed as (
    select
        conversion_set,
        month,
        cast(sum(conversions_linear) as decimal(20, 0)) as conversions,
        cast(sum(amount_linear) as decimal(20, 2)) as amount
    from {{ ref('int_attribution__origin_credit') }}
    where origin_id is not null
    group by conversion_set, month
),

markov as (
    select
        *,
        cast(sum(share) over so_far as decimal(16, 15)) as share_so_far,
        cast(sum(amount_share) over so_far as decimal(16, 15)) as amount_share_so_far
    from {{ ref('attribution_markov') }}
    window so_far as (
        partition by grain, conversion_set
        order by acquisition_source, channel_group, traffic_source, campaign
        rows between unbounded preceding and current row
    )
),

entries as (
    select
        g.grain,
        d.model,
        c.conversion_set,
        c.month,
        coalesce(o.acquisition_source, 'unattributed') as acquisition_source,
        coalesce(o.channel_group, 'unattributed') as channel_group,
        coalesce(o.traffic_source, 'unattributed') as traffic_source,
        coalesce(o.campaign, 'unattributed') as campaign,
        case d.model
            when 'first' then c.conversions_first
            when 'last' then c.conversions_last
            when 'last_non_direct' then c.conversions_last_non_direct
            when 'linear' then c.conversions_linear
            when 'position_based' then c.conversions_position_based
            when 'w_shaped' then c.conversions_w_shaped
            when 'time_decay' then c.conversions_time_decay
            when 'markov' then c.conversions_linear -- of what no touch led to
            else
                case g.grain
                    when 'channel' then c.conversions_shapley
                    when 'source' then c.conversions_shapley_source
                    else c.conversions_shapley_campaign
                end
        end as conversions,
        case d.model
            when 'first' then c.amount_first
            when 'last' then c.amount_last
            when 'last_non_direct' then c.amount_last_non_direct
            when 'linear' then c.amount_linear
            when 'position_based' then c.amount_position_based
            when 'w_shaped' then c.amount_w_shaped
            when 'time_decay' then c.amount_time_decay
            when 'markov' then c.amount_linear -- of what no touch led to
            else
                case g.grain
                    when 'channel' then c.amount_shapley
                    when 'source' then c.amount_shapley_source
                    else c.amount_shapley_campaign
                end
        end as amount,
        cast(0 as decimal(18, 6)) as spend
    from {{ ref('int_attribution__origin_credit') }} as c
    cross join {{ ref('attribution_models') }} as d
    cross join {{ ref('attribution_grains') }} as g
    left join {{ ref('attribution_origins') }} as o on c.origin_id = o.origin_id
    where d.model <> 'markov' or c.origin_id is null
    union all
    -- Markov's shares are those of all journeys: each month's conversions are split by them, whole at every step.
    select
        m.grain,
        'markov',
        c.conversion_set,
        c.month,
        m.acquisition_source,
        m.channel_group,
        m.traffic_source,
        m.campaign,
        cast(c.conversions * m.share_so_far as decimal(18, 9))
        - cast(c.conversions * cast(m.share_so_far - m.share as decimal(16, 15)) as decimal(18, 9)),
        cast(c.amount * m.amount_share_so_far as decimal(18, 2))
        - cast(c.amount * cast(m.amount_share_so_far - m.amount_share as decimal(16, 15)) as decimal(18, 2)),
        cast(0 as decimal(18, 6))
    from attributed as c
    inner join markov as m on c.conversion_set = m.conversion_set
    union all
    select
        g.grain,
        d.model,
        v.conversion_set,
        s.month,
        s.acquisition_source,
        s.channel_group,
        s.traffic_source,
        s.campaign,
        0,
        0,
        s.spend
    from {{ ref('int_attribution__spend') }} as s
    cross join {{ ref('attribution_models') }} as d
    cross join {{ ref('attribution_conversions') }} as v
    cross join {{ ref('attribution_grains') }} as g
)

-- What a grain does not tell apart is '(all)'.
select
    grain,
    model,
    conversion_set,
    month,
    case when grain = 'source' then '(all)' else acquisition_source end as acquisition_source,
    case when grain = 'source' then '(all)' else channel_group end as channel_group,
    case when grain = 'source' then traffic_source else '(all)' end as traffic_source,
    case when grain = 'campaign' then campaign else '(all)' end as campaign,
    cast(conversions as decimal(20, 9)) as conversions,
    cast(amount as decimal(30, 11)) as amount,
    cast(spend as decimal(18, 6)) as spend
from entries
