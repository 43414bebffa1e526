{#-
    Schemas are called as in the architecture; in PostgreSQL they carry a prefix, to be told from others. A
    night that builds only what changed does so in schemas of its own (var `slice`), beside the whole ones.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set slice = '' if node.resource_type == 'seed' else var('slice') -%}
    {{ c360_schema(slice ~ (custom_schema_name or 'staging')) }}
{%- endmacro %}

{% macro c360_schema(name) -%}
    {{ ('c360_' if target.type == 'postgres' else '') ~ name | trim }}
{%- endmacro %}
