{#- The moment, as a UTC timestamp, at which a calendar day of the company (var `timezone`) begins. -#}
{% macro day_start(day) -%}
    {{ return(adapter.dispatch('day_start')(day)) }}
{%- endmacro %}

{% macro default__day_start(day) -%}
    timezone('UTC', timezone('{{ var("timezone") }}', cast({{ day }} as timestamp)))
{%- endmacro %}

{% macro spark__day_start(day) -%}
    convert_timezone('{{ var("timezone") }}', 'UTC', cast({{ day }} as timestamp))
{%- endmacro %}
