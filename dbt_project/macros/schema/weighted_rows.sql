{#-
    `columns` of a relation's rows with a `weight`, for a tally: a model that counts and sums rows by group.
    Everything is built: every row weighs 1. Of a slice: its rows weigh 1, those of touched customers that they take
    the place of -1; what the tally makes of them is the change of its sums (`customer360.slices`).
-#}
{% macro weighted_rows(relation, columns) -%}
    select {{ columns | join(', ') }}, 1 as weight from {{ relation }}
    {%- if var('slice') %}
    union all
    select {{ columns | join(', ') }}, -1 from {{ held_relation(relation) }}
    where customer_id in (select customer_id from {{ source('lake', 'touched_customer') }})
    {%- endif %}
{%- endmacro %}
