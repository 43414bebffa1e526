-- What would be lost without each channel, source or campaign, by the Markov chain of all journeys?
select
    cast(grain as {{ text_type() }}) as grain,
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(traffic_source as {{ text_type() }}) as traffic_source,
    cast(campaign as {{ text_type() }}) as campaign,
    removal_effect,
    share,
    amount_share
from {{ source('attribution', 'markov') }}
