{#- The configured conversions (`attribution.yml`), as c360 gives them to dbt. -#}
{% macro conversions() -%}
    {%- if execute and not var('conversions') -%}
        {{ exceptions.raise_compiler_error("var conversions is missing: dbt is run through c360, which reads attribution.yml") }}
    {%- endif -%}
    {{ return(var('conversions') or [{
        'conversion_set': 'none', 'kind': 'order', 'lookback_days': 1, 'description': '', 'amount': none,
        'from_stage': none, 'to_stage': none, 'events': []
    }]) }}
{%- endmacro %}
