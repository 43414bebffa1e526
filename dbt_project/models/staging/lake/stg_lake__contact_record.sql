-- Every person-like record a source asserts, in its latest version.
{{
    latest_version(
        'contact_record',
        [
            'record_kind',
            'given_name',
            'family_name',
            'full_name',
            'organisation',
            'job_title',
            'address_line',
            'city',
            'postal_code',
            'region',
            'country',
            'birth_date',
            'account_ref',
            'owner',
            'stated_stage',
            'acquisition_source',
            'acquisition_detail',
            'is_deleted',
            'merged_into',
            'consent',
            'attributes',
            'created_at',
            'observed_at'
        ],
        order_by='observed_at desc nulls last',
        where='(coalesce(created_at, observed_at) < ' ~ as_of() ~ ' or coalesce(created_at, observed_at) is null)'
    )
}}
