-- What was spent on which campaign on which day?
select
    record_key as ad_spend_id,
    cast(source as varchar) as source,
    spend_date,
    cast(platform as varchar) as platform,
    cast(campaign_id as varchar) as campaign_id,
    cast(nullif({{ lower_case('campaign') }}, '') as varchar) as campaign,
    cast(ad_id as varchar) as ad_id,
    clicks,
    impressions,
    cast(cost as decimal(18, 6)) as cost,
    cast(currency as varchar) as currency
from {{ ref('stg_lake__ad_spend') }}
