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
            'is_deleted',
            'observed_at'
        ],
        order_by='observed_at desc nulls last',
        where='ordered_at < ' ~ as_of()
    )
}}
