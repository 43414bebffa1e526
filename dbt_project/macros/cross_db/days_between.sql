{#- Whole days from one timestamp to a later one (a day is 24 hours). -#}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    cast(floor(extract(epoch from ({{ later }} - {{ earlier }})) / 86400) as integer)
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    cast(floor((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 86400000000) as integer)
{%- endmacro %}

{#- An interval of Spark's counts microseconds as such; `/` would go through floating point. -#}
{% macro spark__days_between(earlier, later) -%}
    {%- set us -%}timestampdiff(microsecond, {{ earlier }}, {{ later }}){%- endset -%}
    cast(({{ us }} - pmod({{ us }}, 86400000000)) div 86400000000 as integer)
{%- endmacro %}
