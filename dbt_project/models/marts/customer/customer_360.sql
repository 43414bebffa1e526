-- Who is each customer, where did they come from, where do they stand, what are they worth, what is next?
with contacts as (
    select
        customer_id,
        min(occurred_at) filter (where interaction_class = 'person') as first_contact_at,
        max(occurred_at) filter (where interaction_class = 'person') as last_contact_at,
        count(*) as interactions,
        count(*) filter (where channel = 'phone') as phone_interactions,
        count(*) filter (where channel = 'email') as email_interactions,
        count(*) filter (where channel = 'sms') as sms_interactions,
        count(*) filter (where channel = 'web') as web_interactions,
        count(*) filter (where channel = 'fax') as fax_interactions,
        count(*) filter (where channel = 'in_person') as in_person_interactions,
        count(*) filter (where channel = 'media') as media_interactions
    from {{ ref('fct_interactions') }}
    where interaction_class in ('person', 'bulk') and customer_id is not null
    group by customer_id
),

records as (
    select customer_id, sum(records) as records, count(*) as sources
    from (
        select customer_id, source, count(*) as records
        from {{ ref('customer_identity_map') }}
        group by customer_id, source
    ) as by_source
    group by customer_id
),

first_touch as (
    select customer_id, acquisition_source, channel_group, campaign
    from {{ ref('attribution_touches') }}
    where previous_origin_id is null
),

deals as (
    select
        customer_id,
        count(*) filter (where not is_closed) as open_opportunities,
        sum(amount) filter (where not is_closed) as open_opportunity_amount,
        count(*) filter (where not is_closed and is_unconverted) as unconverted_amounts
    from {{ ref('int_sales__opportunity') }}
    group by customer_id
),

orders as (
    select
        customer_id,
        count(*) filter (where not is_refund) as orders,
        sum(amount) as revenue,
        min(booked_at) filter (where not is_refund) as first_order_at,
        max(booked_at) filter (where not is_refund) as last_order_at,
        count(*) filter (where is_unconverted) as unconverted_amounts
    from {{ ref('int_sales__booking') }}
    group by customer_id
)

select
    p.customer_id,
    cast(p.customer_kind as {{ text_type() }}) as customer_kind,
    cast(p.given_name as {{ text_type() }}) as given_name,
    cast(p.family_name as {{ text_type() }}) as family_name,
    cast(p.full_name as {{ text_type() }}) as full_name,
    cast(p.organisation as {{ text_type() }}) as organisation,
    cast(p.job_title as {{ text_type() }}) as job_title,
    cast(h.email as {{ text_type() }}) as email,
    cast(h.phone as {{ text_type() }}) as phone,
    cast(p.address_line as {{ text_type() }}) as address_line,
    cast(p.city as {{ text_type() }}) as city,
    cast(p.postal_code as {{ text_type() }}) as postal_code,
    cast(p.region as {{ text_type() }}) as region,
    cast(p.country as {{ text_type() }}) as country,
    cast(p.owner as {{ text_type() }}) as owner,
    cast(l.stage as {{ text_type() }}) as stage,
    l.stage_since,
    l.cycle,
    l.is_dormant,
    l.is_lost,
    l.is_disqualified,
    l.has_open_opportunity,
    cast(t.acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(t.channel_group as {{ text_type() }}) as first_channel_group,
    cast(t.campaign as {{ text_type() }}) as first_campaign,
    cast(p.self_reported_source as {{ text_type() }}) as self_reported_source,
    c.first_contact_at,
    c.last_contact_at,
    cast(coalesce(n.records, 0) as integer) as records,
    cast(coalesce(n.sources, 0) as integer) as sources,
    cast(coalesce(c.interactions, 0) as integer) as interactions,
    cast(coalesce(c.phone_interactions, 0) as integer) as phone_interactions,
    cast(coalesce(c.email_interactions, 0) as integer) as email_interactions,
    cast(coalesce(c.sms_interactions, 0) as integer) as sms_interactions,
    cast(coalesce(c.web_interactions, 0) as integer) as web_interactions,
    cast(coalesce(c.fax_interactions, 0) as integer) as fax_interactions,
    cast(coalesce(c.in_person_interactions, 0) as integer) as in_person_interactions,
    cast(coalesce(c.media_interactions, 0) as integer) as media_interactions,
    cast(coalesce(d.open_opportunities, 0) as integer) as open_opportunities,
    cast(coalesce(d.open_opportunity_amount, 0) as decimal(18, 2)) as open_opportunity_amount,
    cast(coalesce(o.orders, 0) as integer) as orders,
    cast(coalesce(o.revenue, 0) as decimal(18, 2)) as revenue,
    o.first_order_at,
    o.last_order_at,
    cast(coalesce(o.unconverted_amounts, 0) + coalesce(d.unconverted_amounts, 0) as integer) as unconverted_amounts,
    s.consent_email,
    s.consent_phone,
    s.consent_sms,
    cast(
        case
            when l.is_disqualified then 'none: disqualified'
            when l.has_open_opportunity then 'pursue'
            when l.is_dormant and l.stage in ('order_customer', 'user') then 'win back'
            else l.programme
        end as {{ text_type() }}
    ) as next_action
from {{ ref('int_customer__profile') }} as p
left join {{ ref('int_customer__reach') }} as h on p.customer_id = h.customer_id
left join {{ ref('int_customer__consent') }} as s on p.customer_id = s.customer_id
left join {{ ref('lifecycle_current') }} as l on p.customer_id = l.customer_id
left join contacts as c on p.customer_id = c.customer_id
left join records as n on p.customer_id = n.customer_id
left join first_touch as t on p.customer_id = t.customer_id
left join deals as d on p.customer_id = d.customer_id
left join orders as o on p.customer_id = o.customer_id
