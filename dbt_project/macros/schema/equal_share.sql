{#-
    One of so many equal parts, in whole billionths, where `is_one`; what the parts leave over is the first touch's,
    which is one of them. The shares of a path so add up to exactly 1 without a look at its other touches.
-#}
{% macro equal_share(is_one, parts) -%}
    cast(
        cast(
            {{ is_one }} * {{ int_div('1000000000', parts) }}
            + case when touch_number = 1 then 1000000000 - {{ parts }} * {{ int_div('1000000000', parts) }} else 0 end
            as bigint
        ) * cast(0.000000001 as decimal(10, 9)) as decimal(10, 9)
    )
{%- endmacro %}
