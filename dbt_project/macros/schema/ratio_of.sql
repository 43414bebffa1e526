{#-
    A quotient rounded to so many places, half away from zero; null where `whole` is 0. Whole numbers and decimals of
    up to 15 digits become the same floating-point number on every engine, and what follows is IEEE 754.
-#}
{% macro ratio_of(part, whole, places) -%}
    {%- set quotient -%}
        abs(cast({{ part }} as {{ double_type() }})) / nullif(abs(cast({{ whole }} as {{ double_type() }})), 0)
    {%- endset -%}
    cast(
        case when ({{ part }} < 0) = ({{ whole }} < 0) then 1 else -1 end
        * cast(floor({{ quotient }} * 1e{{ places }} + 0.5) as bigint)
        * cast(1e-{{ places }} as decimal({{ places + 1 }}, {{ places }})) as decimal(18, {{ places }})
    )
{%- endmacro %}
