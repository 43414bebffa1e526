-- How many customers came from each source by what was tracked and by what they or the sales desk said?
-- '(none)' is nothing tracked or said, '(other)' an answer that the seed stated_sources does not know.
with answers as (
    select
        coalesce(acquisition_source, '(none)') as tracked_source,
        nullif({{ lower_case("trim(both ' ' from self_reported_source)") }}, '') as stated
    from {{ ref('customer_360') }}
)

select
    cast(a.tracked_source as {{ text_type() }}) as tracked_source,
    cast(
        case when a.stated is null then '(none)' else coalesce(s.acquisition_source, '(other)') end
        as {{ text_type() }}
    ) as stated_source,
    count(*) as customers
from answers as a
left join {{ ref('stated_sources') }} as s on a.stated = s.stated
group by 1, 2
