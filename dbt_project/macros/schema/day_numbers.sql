{#- CTE body: whole numbers `n` from 0 to 99999, for calendars without gaps. -#}
{% macro day_numbers() %}
    {%- set digits -%}
        {%- for digit in range(10) %}select {{ digit }} as d{{ ' union all ' if not loop.last }}{% endfor -%}
    {%- endset %}
    select a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d as n
    from ({{ digits }}) as a
    cross join ({{ digits }}) as b
    cross join ({{ digits }}) as c
    cross join ({{ digits }}) as d
    cross join ({{ digits }}) as e
{% endmacro %}
