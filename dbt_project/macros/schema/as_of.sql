{#- The night, as a UTC timestamp. No model reads the clock. -#}
{% macro as_of() -%}
    {%- if execute and not var('as_of') -%}
        {{ exceptions.raise_compiler_error("var as_of is missing: dbt is run through c360, which gives the night") }}
    {%- endif -%}
    cast('{{ var("as_of") or "1970-01-01 00:00:00" }}' as timestamp)
{%- endmacro %}

{#- The date that begins with the night where the company is: days before it are over. -#}
{% macro as_of_date() -%}
    {%- if var('as_of_date', none) -%} cast('{{ var("as_of_date") }}' as date)
    {%- else -%} cast({{ as_of() }} as date)
    {%- endif -%}
{%- endmacro %}

{#- The night, as a number of whole days of 24 hours since 1970 (UTC). -#}
{% macro night_day() -%}
    {{ days_between("cast('1970-01-01 00:00:00' as timestamp)", as_of()) }}
{%- endmacro %}
