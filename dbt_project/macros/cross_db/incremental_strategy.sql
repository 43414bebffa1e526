{#-
    How an incremental model with a unique key takes in its new rows: the one place where engines differ.
    DuckDB and PostgreSQL replace rows of the same key in one transaction; Iceberg merges in one commit.
-#}
{% macro incremental_strategy() -%}
    {{ return(adapter.dispatch('incremental_strategy')()) }}
{%- endmacro %}

{% macro default__incremental_strategy() -%}
    {{ return('delete+insert') }}
{%- endmacro %}

{% macro spark__incremental_strategy() -%}
    {{ return('merge') }}
{%- endmacro %}
