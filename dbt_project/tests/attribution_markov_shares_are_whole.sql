-- Of every grain and set the shares sum to exactly 1.
{{ config(tags=['whole']) }}
select grain, conversion_set
from {{ ref('attribution_markov') }}
group by grain, conversion_set
having sum(share) <> 1 or sum(amount_share) <> 1
