{#- Timestamp so many days (of 24 hours) later; `days` may be a column. -#}
{% macro add_days(moment, days) -%}
    ({{ moment }} + ({{ days }}) * interval '1 day')
{%- endmacro %}
