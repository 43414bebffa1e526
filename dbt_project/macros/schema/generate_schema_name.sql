{#- Schemas are called as in the architecture; in PostgreSQL they carry a prefix, to be told from others. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ c360_schema(custom_schema_name or 'staging') }}
{%- endmacro %}

{% macro c360_schema(name) -%}
    {{ ('c360_' if target.type == 'postgres' else '') ~ name | trim }}
{%- endmacro %}
