-- What a unit of another currency is worth in the company's, and during which time.
select
    currency,
    cast(valid_from as timestamp) as valid_from,
    cast(
        coalesce(
            lead(valid_from) over (partition by currency order by valid_from),
            cast('9999-12-31' as date)
        ) as timestamp
    ) as valid_to,
    cast(rate as decimal(16, 8)) as rate
from {{ ref('exchange_rates') }}
