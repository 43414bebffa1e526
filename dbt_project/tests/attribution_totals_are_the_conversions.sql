-- Of every set there are as many conversions, worth as much, as the records say, whoever was credited.
with credited as (
    select conversion_set, conversion_key, conversions, amount
    from {{ ref('attribution_credit') }}
    where is_last
)

select c.conversion_set, c.conversion_key
from {{ ref('int_attribution__conversion') }} as c
full outer join credited as k on c.conversion_set = k.conversion_set and c.conversion_key = k.conversion_key
where c.conversion_key is null or k.conversion_key is null or c.conversions <> k.conversions or c.amount <> k.amount
