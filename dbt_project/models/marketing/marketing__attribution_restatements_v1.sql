-- Why did which figure of the table attribution move since the publication before, and by how much?
-- A name with an address or a telephone number in it is withheld, as in attribution; its changes stay.
with named as (
    select
        r.publication_id,
        r.as_of,
        r.previous_as_of,
        r.grain,
        r.model,
        r.conversion_set,
        r.month,
        r.acquisition_source,
        r.channel_group,
        {{ unless_withheld('r.traffic_source') }} as traffic_source,
        {{ unless_withheld('r.campaign') }} as campaign,
        r.cause,
        r.conversions_from,
        r.conversions_to,
        r.amount_from,
        r.amount_to,
        r.cost_from,
        r.cost_to
    from {{ ref('attribution_restatements') }} as r
)

select
    n.publication_id,
    n.as_of,
    n.previous_as_of,
    n.grain,
    n.model,
    n.conversion_set,
    n.month,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    n.campaign,
    n.cause,
    cast(sum(n.conversions_from) as decimal(18, 9)) as conversions_from,
    cast(sum(n.conversions_to) as decimal(18, 9)) as conversions_to,
    cast(sum(n.amount_from) as decimal(18, 2)) as amount_from,
    cast(sum(n.amount_to) as decimal(18, 2)) as amount_to,
    cast(sum(n.cost_from) as decimal(18, 6)) as cost_from,
    cast(sum(n.cost_to) as decimal(18, 6)) as cost_to
from named as n
group by
    n.publication_id,
    n.as_of,
    n.previous_as_of,
    n.grain,
    n.model,
    n.conversion_set,
    n.month,
    n.acquisition_source,
    n.channel_group,
    n.traffic_source,
    n.campaign,
    n.cause
