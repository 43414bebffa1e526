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
            deleted_by_night(),
            'case when ' ~ known_by_night() ~ ' then merged_into end as merged_into',
            'consent',
            'attributes',
            'created_at',
            observed_by_night()
        ],
        is_dated=true,
        where='(coalesce(created_at, observed_at) < ' ~ as_of() ~ ' or coalesce(created_at, observed_at) is null)'
    )
}}
