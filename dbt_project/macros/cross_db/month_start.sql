{#- First day of a timestamp's month, as a date. -#}
{% macro month_start(moment) -%}
    cast(date_trunc('month', {{ moment }}) as date)
{%- endmacro %}
