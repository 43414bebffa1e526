-- Every stage an opportunity had entered by the night.
{{
    latest_version(
        'opportunity_stage',
        [
            'opportunity_ref',
            'stage',
            'amount',
            'entered_at',
            'observed_at'
        ]
    )
}}
