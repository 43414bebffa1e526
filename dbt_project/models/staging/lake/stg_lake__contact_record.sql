-- Every person-like record a source asserts, in its latest version. Unknown and [not provided] are no names.
{{
    latest_version(
        'contact_record',
        [
            'record_kind',
            told_name('given_name') ~ ' as given_name',
            told_name('family_name') ~ ' as family_name',
            told_name('full_name') ~ ' as full_name',
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
        ]
    )
}}
