-- Credited conversions of each origin had the look-back been shorter, by models that follow from the path alone.
-- Of each path counts what stands less than so many days before its end; the others' shares grow in proportion.
-- Shares are whole billionths, rounded down.
{{ config(
    tags=['tally'],
    meta={'tally': {'by': ['conversion_set', 'window_days', 'model', 'origin_id'], 'rows': 'touches'}}
) }}
{%- set models = ['first', 'last', 'last_non_direct', 'linear', 'time_decay'] %}
{%- set places = [1, 2, 3] %}
with windows as (
    select
    {% for place in places -%}
            max(case when place = {{ place }} then window_days end) as days_{{ place }}{{ ',' if not loop.last }}
    {% endfor %}
    from (
        select window_days, row_number() over (order by window_days) as place
        from {{ ref('sensitivity_windows') }}
    ) as ordered
),

credit as (
    {{ weighted_rows(
        ref('attribution_credit'),
        [
            'conversion_set', 'conversion_key', 'origin_id', 'touch_number', 'conversions', 'days_before',
            'credit_linear', 'credit_time_decay',
        ]
    ) }}
),

origins as (
    select distinct origin_id, channel_group
    from {{ ref('int_attribution__touched_origin') }}
),

touches as (
    select
        c.conversion_set,
        c.conversion_key,
        c.origin_id,
        c.touch_number,
        c.weight,
        cast(cast(c.credit_linear as decimal(20, 9)) * 1000000000 as bigint) as linear,
        cast(cast(c.credit_time_decay as decimal(20, 9)) * 1000000000 as bigint) as time_decay,
        o.channel_group <> 'Direct' as is_told,
    {% for place in places -%}
        coalesce(c.days_before < w.days_{{ place }}, false) as is_in_{{ place }}{{ ',' if not loop.last }}
    {% endfor %}
    from credit as c
    inner join origins as o on c.origin_id = o.origin_id
    cross join windows as w
    where c.conversions <> 0
),

paths as (
    select
        conversion_set,
        conversion_key,
        weight,
        max(touch_number) as last_number,
    {% for place in places -%}
        min(case when is_in_{{ place }} then touch_number end) as first_number_{{ place }},
        max(case when is_in_{{ place }} and is_told then touch_number end) as told_number_{{ place }},
        sum(case when is_in_{{ place }} then linear end) as linear_{{ place }},
        sum(case when is_in_{{ place }} then time_decay end) as time_decay_{{ place }}{{ ',' if not loop.last }}
    {% endfor %}
    from touches
    group by conversion_set, conversion_key, weight
),

credited as (
    select
        t.conversion_set,
        t.origin_id,
        sum(t.weight) as touches,
    {% for place in places -%}
        sum(t.weight) filter (where t.touch_number = p.first_number_{{ place }}) as first_{{ place }},
        sum(t.weight) filter (where t.is_in_{{ place }} and t.touch_number = p.last_number) as last_{{ place }},
        sum(t.weight) filter (
            where t.is_in_{{ place }} and t.touch_number = coalesce(p.told_number_{{ place }}, p.last_number)
        ) as last_non_direct_{{ place }},
    {% for model in ['linear', 'time_decay'] -%}
        sum(
            t.weight * case
                when t.is_in_{{ place }} and p.{{ model }}_{{ place }} > 0
                    then {{ int_div('t.' ~ model ~ ' * 1000000000', 'cast(p.' ~ model ~ '_' ~ place ~ ' as bigint)') }}
                else 0
            end
        ) as {{ model }}_{{ place }}{{ ',' if not (loop.last and place == places[-1]) }}
    {% endfor -%}
    {% endfor %}
    from touches as t
    inner join paths as p
        on t.conversion_set = p.conversion_set and t.conversion_key = p.conversion_key and t.weight = p.weight
    group by t.conversion_set, t.origin_id
)
{% for place in places %}{% for model in models %}
    {{ 'union all' if not (loop.first and place == 1) }}
    select
        c.conversion_set,
        w.days_{{ place }} as window_days,
        '{{ model }}' as model,
        c.origin_id,
        cast(c.touches as bigint) as touches,
        {%- if model in ('linear', 'time_decay') %}
            cast(c.{{ model }}_{{ place }} * cast(0.000000001 as decimal(10, 9)) as decimal(18, 9)) as conversions
        {%- else %}
            cast(coalesce(c.{{ model }}_{{ place }}, 0) as decimal(18, 9)) as conversions
        {%- endif %}
    from credited as c
    inner join {{ ref('attribution_conversions') }} as s on c.conversion_set = s.conversion_set
    inner join windows as w on s.lookback_days > w.days_{{ place }}
{%- endfor %}{% endfor %}
