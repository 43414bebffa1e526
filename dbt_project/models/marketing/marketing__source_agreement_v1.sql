-- How many customers came from each source by what was tracked and by what they or the sales desk said?
select
    a.tracked_source,
    a.stated_source,
    a.customers
from {{ ref('source_agreement') }} as a
