-- What bears no date of its own is dated by the night that loaded it, which may be this one; nothing is later.
with stamps as (
    select 'fct_interactions' as mart, occurred_at as happened_at, true as is_before
    from {{ ref('fct_interactions') }}
    union all
    select 'attribution_touches', touched_at, true
    from {{ ref('attribution_touches') }}
    union all
    select 'attribution_credit', converted_at, false
    from {{ ref('attribution_credit') }}
    union all
    select 'lifecycle_transitions', occurred_at, false
    from {{ ref('lifecycle_transitions') }}
    union all
    select 'lifecycle_history', began_at, false
    from {{ ref('lifecycle_history') }}
    union all
    select 'lifecycle_history', ended_at, false
    from {{ ref('lifecycle_history') }}
    union all
    select 'lifecycle_overlays', began_at, false
    from {{ ref('lifecycle_overlays') }}
    union all
    select 'lifecycle_overlays', ended_at, false
    from {{ ref('lifecycle_overlays') }}
    union all
    select 'lifecycle_current', last_contact_at, true
    from {{ ref('lifecycle_current') }}
    union all
    select 'customer_360', last_contact_at, true
    from {{ ref('customer_360') }}
    union all
    select 'customer_360', last_order_at, true
    from {{ ref('customer_360') }}
    union all
    select 'source_quality', last_at, false
    from {{ ref('source_quality') }}
    union all
    select 'customer_alias', merged_as_of, false
    from {{ ref('customer_alias') }}
    union all
    select 'fct_ad_spend', cast(spend_date as timestamp), true
    from {{ ref('fct_ad_spend') }}
    where spend_date >= {{ as_of_date() }}
)

select mart, max(happened_at) as latest_at
from stamps
where mart = 'fct_ad_spend' or happened_at > {{ as_of() }} or (is_before and happened_at = {{ as_of() }})
group by mart
