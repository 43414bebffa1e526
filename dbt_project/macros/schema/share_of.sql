{#- Part of a whole, which is not 0, rounded to six places; both are whole numbers. The same on every engine. -#}
{% macro share_of(part, whole) -%}
    {%- set doubled -%}2000000 * cast({{ part }} as bigint) + cast({{ whole }} as bigint){%- endset -%}
    {%- set divisor -%}2 * cast({{ whole }} as bigint){%- endset -%}
    cast({{ int_div(doubled, divisor) }} * cast(0.000001 as decimal(7, 6)) as decimal(9, 6))
{%- endmacro %}
