{#- Whole seconds from one timestamp to a later one. -#}
{% macro seconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('seconds_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__seconds_between(earlier, later) -%}
    cast(floor(extract(epoch from ({{ later }} - {{ earlier }}))) as bigint)
{%- endmacro %}

{% macro duckdb__seconds_between(earlier, later) -%}
    cast(floor((epoch_us({{ later }}) - epoch_us({{ earlier }})) / 1000000) as bigint)
{%- endmacro %}

{#- `/` would go through floating point. -#}
{% macro spark__seconds_between(earlier, later) -%}
    {%- set us -%}timestampdiff(microsecond, {{ earlier }}, {{ later }}){%- endset -%}
    cast(({{ us }} - pmod({{ us }}, 1000000)) div 1000000 as bigint)
{%- endmacro %}
