-- Which sources do tracking and customers' own words both see, how often do they agree, and which does only one see?
with sources as (
    select distinct acquisition_source as source
    from {{ ref('acquisition_sources') }}
    union
    select '(other)'
),

counted as (
    select
        s.source,
        coalesce(sum(case when a.tracked_source = s.source then a.customers end), 0) as tracked_customers,
        coalesce(sum(case when a.stated_source = s.source then a.customers end), 0) as stated_customers,
        coalesce(sum(case when a.tracked_source = s.source and a.stated_source = s.source then a.customers end), 0)
            as agreed_customers,
        coalesce(sum(case when a.tracked_source = s.source and a.stated_source = '(none)' then a.customers end), 0)
            as tracked_only_customers,
        coalesce(sum(case when a.stated_source = s.source and a.tracked_source = '(none)' then a.customers end), 0)
            as stated_only_customers
    from sources as s
    cross join {{ ref('source_agreement') }} as a
    group by s.source
)

select
    cast(source as {{ text_type() }}) as source,
    cast(tracked_customers as bigint) as tracked_customers,
    cast(stated_customers as bigint) as stated_customers,
    cast(agreed_customers as bigint) as agreed_customers,
    cast(tracked_only_customers as bigint) as tracked_only_customers,
    cast(stated_only_customers as bigint) as stated_only_customers,
    {{ ratio_of('agreed_customers', 'tracked_customers + stated_customers - agreed_customers', 6) }} as agreement,
    cast(
        case
            when tracked_customers > 0 and stated_customers > 0 then 'both'
            when tracked_customers > 0 then 'tracked only'
            when stated_customers > 0 then 'stated only'
            else 'neither'
        end as {{ text_type() }}
    ) as seen_by
from counted
