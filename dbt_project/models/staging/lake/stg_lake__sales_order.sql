-- Every order placed by the night, in its latest version.
{{
    latest_version(
        'sales_order',
        [
            'contact_ref',
            'account_ref',
            'opportunity_ref',
            'status',
            'amount',
            'currency',
            'ordered_at',
            'delivered_at',
            deleted_by_night(),
            observed_by_night()
        ]
    )
}}
