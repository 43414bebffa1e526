-- How far does each channel's and source's rank depend on the model and the look-back, and how sure is its share?
-- Sources with an address or a telephone number in their name are one row without interval and rank, which only each
-- of them has.
with named as (
    select
        s.grain,
        s.conversion_set,
        s.window_days,
        s.model,
        s.acquisition_source,
        s.channel_group,
        {{ unless_withheld('s.traffic_source') }} as traffic_source,
        s.conversions,
        s.share,
        case when not {{ is_withheld('s.traffic_source') }} then s.share_low end as share_low,
        case when not {{ is_withheld('s.traffic_source') }} then s.share_high end as share_high,
        case when not {{ is_withheld('s.traffic_source') }} then s.source_rank end as source_rank,
        case when not {{ is_withheld('s.traffic_source') }} then s.best_rank end as best_rank,
        case when not {{ is_withheld('s.traffic_source') }} then s.worst_rank end as worst_rank,
        case when {{ is_withheld('s.traffic_source') }} then '(withheld)' else s.verdict end as verdict
    from {{ ref('attribution_sensitivity') }} as s
)

select
    n.grain,
    n.conversion_set,
    n.window_days,
    n.model,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    cast(sum(n.conversions) as decimal(18, 9)) as conversions,
    cast(sum(n.share) as decimal(9, 6)) as share,
    cast(min(n.share_low) as decimal(9, 6)) as share_low,
    cast(min(n.share_high) as decimal(9, 6)) as share_high,
    min(n.source_rank) as source_rank,
    min(n.best_rank) as best_rank,
    min(n.worst_rank) as worst_rank,
    n.verdict
from named as n
group by
    n.grain,
    n.conversion_set,
    n.window_days,
    n.model,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    n.verdict
