-- What touches are credited for, as attribution.yml says: a customer becomes identified or moves to a stage, an
-- opportunity opens, an order is placed, something happens. A refund counts as no conversion; its negative amount
-- takes back from those whom the customer's order before it credited.
with moves as (
    select
        *,
        row_number() over (partition by customer_id, from_stage order by transition_number) as leaving_rank
    from {{ ref('lifecycle_transitions') }}
    where from_stage is not null
),

bookings as (
    select
        *,
        sum(case when is_refund then 0 else 1 end) over so_far as order_number,
        max(case when is_refund then null else booked_at end) over so_far as last_ordered_at
    from {{ ref('int_sales__booking') }}
    where customer_id is not null
    window so_far as (
        partition by customer_id
        order by booked_at, is_refund, booking_id
        rows between unbounded preceding and current row
    )
),

happened as (
    select
        'identified' as kind,
        cause_key as conversion_key,
        customer_id,
        occurred_at as converted_at,
        occurred_at as path_ends_at,
        1 as conversions,
        cast(0 as decimal(18, 2)) as amount,
        from_stage,
        to_stage,
        cast(null as {{ text_type() }}) as event_name
    from moves
    where from_stage = 'unidentified' and leaving_rank = 1
    union all
    select
        'stage',
        -- One record may cause several moves.
        {{ text_key(
            "cause_key || '|' || from_stage || '|' || to_stage || '|' || "
            ~ seconds_between("cast('1970-01-01' as timestamp)", 'occurred_at')
        ) }},
        customer_id,
        occurred_at,
        occurred_at as path_ends_at,
        1,
        0,
        from_stage,
        to_stage,
        null
    from moves
    union all
    select
        'opportunity',
        opportunity_id,
        customer_id,
        opened_at,
        opened_at as path_ends_at,
        1,
        coalesce(amount, 0),
        null,
        null,
        null
    from {{ ref('int_sales__opportunity') }}
    where customer_id is not null
    union all
    select
        'order',
        booking_id,
        customer_id,
        booked_at,
        case when is_refund then coalesce(last_ordered_at, booked_at) else booked_at end,
        case when is_refund then 0 else 1 end,
        coalesce(amount, 0),
        null,
        null,
        null
    from bookings
    union all
    select
        'repurchase',
        booking_id,
        customer_id,
        booked_at,
        case when is_refund then last_ordered_at else booked_at end,
        case when is_refund then 0 else 1 end,
        coalesce(amount, 0),
        null,
        null,
        null
    from bookings
    where order_number > 1
    union all
    select 'event', interaction_id, customer_id, occurred_at, occurred_at as path_ends_at, 1, 0, null, null, event_name
    from {{ ref('fct_interactions') }}
    where
        customer_id is not null
        and interaction_class = 'person'
        and event_name in (select r.event_name from {{ ref('int_attribution__conversion_rule') }} as r)
)

select
    r.conversion_set,
    h.conversion_key,
    h.customer_id,
    h.converted_at,
    h.path_ends_at,
    {{ add_days('h.path_ends_at', '-1 * r.lookback_days') }} as credit_from,
    h.conversions,
    cast(coalesce(r.fixed_amount, h.amount) as decimal(18, 2)) as amount
from happened as h
inner join {{ ref('int_attribution__conversion_rule') }} as r
    on
        h.kind = r.kind
        and (h.kind <> 'stage' or coalesce(r.from_stage, h.from_stage) = h.from_stage)
        and (h.kind <> 'stage' or coalesce(r.to_stage, h.to_stage) = h.to_stage)
        and (h.kind <> 'event' or h.event_name = r.event_name)
-- What every order is said to be worth is not taken back.
where h.conversions = 1 or r.fixed_amount is null
