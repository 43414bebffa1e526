-- What is configured as a conversion (attribution.yml): one row per set, or per event of a set of events.
{% for each in conversions() -%}
{%- for event_name in each.events or [none] %}
select
    cast('{{ each.conversion_set }}' as {{ text_type() }}) as conversion_set,
    cast('{{ each.kind }}' as {{ text_type() }}) as kind,
    cast({{ each.lookback_days }} as integer) as lookback_days,
    cast({{ each.amount if each.amount is not none else 'null' }} as decimal(18, 2)) as fixed_amount,
    cast({{ "'" ~ each.from_stage ~ "'" if each.from_stage else 'null' }} as {{ text_type() }}) as from_stage,
    cast({{ "'" ~ each.to_stage ~ "'" if each.to_stage else 'null' }} as {{ text_type() }}) as to_stage,
    cast({{ "'" ~ event_name ~ "'" if event_name else 'null' }} as {{ text_type() }}) as event_name
{{ 'union all' if not loop.last }}
{%- endfor %}
{{ 'union all' if not loop.last }}
{% endfor %}
