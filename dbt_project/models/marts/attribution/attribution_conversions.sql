-- What are touches credited for, and how far back do they count?
{% for each in conversions() -%}
select
    cast('{{ each.conversion_set }}' as {{ text_type() }}) as conversion_set,
    cast('{{ each.kind }}' as {{ text_type() }}) as kind,
    cast({{ each.lookback_days }} as integer) as lookback_days,
    cast('{{ each.description }}' as {{ text_type() }}) as description
{{ 'union all' if not loop.last }}
{% endfor %}
