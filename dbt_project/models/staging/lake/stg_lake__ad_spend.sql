-- Spend of an advertisement on a day before the night, as last reported.
{{ config(tags=['whole']) }}

{{
    latest_version(
        'ad_spend',
        [
            'spend_date',
            'platform',
            'campaign_id',
            'campaign',
            'ad_id',
            'clicks',
            'impressions',
            'cost',
            'currency'
        ]
    )
}}
