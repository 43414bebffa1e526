{#-
    Lower or upper end of the score interval of Wilson (1927) for a part of a whole, in six places; `sign` is '-' or
    '+', `z` the standard deviations to either side. Only operations that IEEE 754 makes exact: the same on every engine.
-#}
{% macro interval_of(part, whole, z, sign) -%}
    {%- set n -%} cast({{ whole }} as {{ double_type() }}) {%- endset -%}
    {%- set x -%} cast({{ part }} as {{ double_type() }}) {%- endset -%}
    {%- set zz -%} (cast({{ z }} as {{ double_type() }}) * cast({{ z }} as {{ double_type() }})) {%- endset -%}
    {%- set spread -%}
        cast({{ z }} as {{ double_type() }}) * sqrt({{ x }} * ({{ n }} - {{ x }}) / {{ n }} + {{ zz }} / 4)
    {%- endset -%}
    cast(
        cast(floor(greatest(0, least(1, ({{ x }} + {{ zz }} / 2 {{ sign }} {{ spread }}) / ({{ n }} + {{ zz }}))) * 1e6 + 0.5) as bigint)
        * cast(0.000001 as decimal(7, 6)) as decimal(9, 6)
    )
{%- endmacro %}
