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
            deleted_by_night(),
            'created_at',
            'closed_at',
            observed_by_night()
        ],
        is_dated=true,
        where='(coalesce(created_at, observed_at) < ' ~ as_of() ~ ' or coalesce(created_at, observed_at) is null)'
    )
}}
