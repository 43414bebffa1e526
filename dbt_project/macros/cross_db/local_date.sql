{#- The company's calendar day (var `timezone`) at a moment, which is a UTC timestamp. -#}
{% macro local_date(moment) -%}
    {{ return(adapter.dispatch('local_date')(moment)) }}
{%- endmacro %}

{% macro default__local_date(moment) -%}
    cast(timezone('{{ var("timezone") }}', timezone('UTC', {{ moment }})) as date)
{%- endmacro %}

{% macro spark__local_date(moment) -%}
    cast(convert_timezone('UTC', '{{ var("timezone") }}', {{ moment }}) as date)
{%- endmacro %}
