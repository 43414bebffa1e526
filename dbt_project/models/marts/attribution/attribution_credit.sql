-- Which share of which conversion does each model give to each touch?
-- Shares are whole billionths and amounts whole cents, so that each conversion is split exactly once.
with shares as (
    select
        m.model,
        p.conversion_set,
        p.conversion_key,
        p.touch_id,
        p.touch_number,
        case
            when m.model = 'first' then case when p.touch_number = 1 then 1 else 0 end
            when m.model = 'last' then case when p.touch_number_from_last = 1 then 1 else 0 end
            else 1
        end as is_credited,
        case when m.model = 'linear' then p.touch_count else 1 end as parts,
        p.touch_number_from_last = 1 or m.model = 'first' as takes_remainder
    from {{ ref('int_attribution__path') }} as p
    cross join {{ ref('attribution_models') }} as m
),

billions as (
    select
        s.*,
        c.customer_id,
        c.converted_at,
        cast(c.amount * 100 as bigint) as cents,
        cast(1000000000 as bigint) as whole
    from shares as s
    inner join {{ ref('int_attribution__conversion') }} as c
        on s.conversion_set = c.conversion_set and s.conversion_key = c.conversion_key
    where s.is_credited = 1
),

split as (
    select
        *,
        case
            when takes_remainder then whole - {{ int_div('whole', 'parts') }} * (parts - 1)
            else {{ int_div('whole', 'parts') }}
        end as share_billionths,
        case
            when takes_remainder then cents - {{ int_div('cents', 'parts') }} * (parts - 1)
            else {{ int_div('cents', 'parts') }}
        end as share_cents
    from billions
),

unattributed as (
    select m.model, c.conversion_set, c.conversion_key, c.customer_id, c.converted_at, c.amount
    from {{ ref('int_attribution__conversion') }} as c
    cross join {{ ref('attribution_models') }} as m
    left join {{ ref('int_attribution__path') }} as p
        on c.conversion_set = p.conversion_set and c.conversion_key = p.conversion_key and p.touch_number = 1
    where p.touch_id is null
)

select
    cast(s.model as {{ text_type() }}) as model,
    cast(s.conversion_set as {{ text_type() }}) as conversion_set,
    s.conversion_key,
    s.touch_number,
    s.customer_id,
    s.touch_id,
    s.converted_at,
    cast(t.channel_group as {{ text_type() }}) as channel_group,
    cast(t.acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(t.campaign as {{ text_type() }}) as campaign,
    cast(s.share_billionths * cast(0.000000001 as decimal(10, 9)) as decimal(18, 9)) as credit,
    cast(s.share_cents * cast(0.01 as decimal(3, 2)) as decimal(18, 2)) as amount
from split as s
inner join {{ ref('attribution_touches') }} as t on s.touch_id = t.touch_id
union all
select
    model,
    conversion_set,
    conversion_key,
    cast(0 as bigint) as touch_number,
    customer_id,
    cast(null as bigint) as touch_id,
    converted_at,
    'unattributed' as channel_group,
    'unattributed' as acquisition_source,
    cast(null as {{ text_type() }}) as campaign,
    cast(1 as decimal(18, 9)) as credit,
    amount
from unattributed
