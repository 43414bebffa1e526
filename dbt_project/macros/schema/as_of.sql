{#- The night, as a UTC timestamp. No model reads the clock. -#}
{% macro as_of() -%}
    {%- if execute and not var('as_of') -%}
        {{ exceptions.raise_compiler_error("var as_of is missing: dbt is run through c360, which gives the night") }}
    {%- endif -%}
    cast('{{ var("as_of") or "1970-01-01 00:00:00" }}' as timestamp)
{%- endmacro %}
