{#-
    `columns` of a relation's rows with a `weight`, for a tally: a model that counts and sums rows by group.
    Everything is built: every row weighs 1. Of a slice: its rows weigh 1, those that they take the place of -1; what
    the tally makes of them is the change of its sums (`customer360.slices`). `replaced` names the rows that go, by a
    column and where its values are listed.
-#}
{% macro weighted_rows(relation, columns, replaced=none) -%}
    select {{ columns | join(', ') }}, 1 as weight from {{ relation }}
    {%- if var('slice') %}
    {%- set schema = relation.schema | replace(var('slice'), '') %}
    {%- set held = api.Relation.create(database=relation.database, schema=schema, identifier=relation.identifier) %}
    {%- set column, table = replaced or ('customer_id', 'touched_customer') %}
    union all
    select {{ columns | join(', ') }}, -1 from {{ held }}
    where {{ column }} in (select {{ column }} from {{ source('lake', table) }})
    {%- endif %}
{%- endmacro %}
