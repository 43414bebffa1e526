-- What did each source bring, by model, conversion and month?
select
    model,
    conversion_set,
    {{ month_start('converted_at') }} as month,
    acquisition_source,
    channel_group,
    coalesce(campaign, '(none)') as campaign,
    cast(sum(credit) as decimal(18, 9)) as conversions,
    cast(sum(amount) as decimal(18, 2)) as amount
from {{ ref('attribution_credit') }}
group by
    model, conversion_set, {{ month_start('converted_at') }}, acquisition_source, channel_group,
    coalesce(campaign, '(none)')
