-- Every opportunity that existed by the night, in its latest version.
{{
    latest_version(
        'opportunity',
        [
            'contact_ref',
            'account_ref',
            'name',
            'stage',
            'amount',
            'currency',
            'probability',
            'is_closed',
            'is_won',
            'owner',
            'acquisition_source',
            'utm_campaign',
            'is_deleted',
            'created_at',
            'closed_at',
            'observed_at'
        ],
        order_by='observed_at desc nulls last',
        where='(coalesce(created_at, observed_at) < ' ~ as_of() ~ ' or coalesce(created_at, observed_at) is null)'
    )
}}
