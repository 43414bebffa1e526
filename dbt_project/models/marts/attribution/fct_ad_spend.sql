-- What was spent on which campaign on which day?
select
    record_key as ad_spend_id,
    cast(source as {{ text_type() }}) as source,
    spend_date,
    cast(platform as {{ text_type() }}) as platform,
    cast(campaign_id as {{ text_type() }}) as campaign_id,
    cast(nullif({{ lower_case('campaign') }}, '') as {{ text_type() }}) as campaign,
    cast(ad_id as {{ text_type() }}) as ad_id,
    clicks,
    impressions,
    cast(cost as decimal(18, 6)) as cost,
    cast(currency as {{ text_type() }}) as currency
from {{ ref('stg_lake__ad_spend') }}
