{#-
    One part's share of a whole that is split by weights, in whole billionths: what the rounded running sum of
    the weights has gained with this part. The shares of a whole so add up to it exactly, whatever the weights.
    `cumulative` includes the part's own `weight`. Only operations that IEEE 754 makes exact are used: every
    engine gets the same.
-#}
{% macro share_between(cumulative, weight, total) -%}
    cast(
        cast(
            {{ billionths(cumulative, total) }} - {{ billionths(cumulative ~ ' - ' ~ weight, total) }} as bigint
        ) * cast(0.000000001 as decimal(10, 9)) as decimal(10, 9)
    )
{%- endmacro %}

{% macro billionths(part, total) -%}
    floor(cast({{ part }} as {{ double_type() }}) / cast({{ total }} as {{ double_type() }}) * 1e9 + 0.5)
{%- endmacro %}
