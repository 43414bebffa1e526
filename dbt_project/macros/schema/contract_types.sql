{#- Contracts are written once, in the types of the other engines: Spark's own name for texts is given here. -#}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set translated = {} -%}
    {%- for name in columns -%}
        {%- set type = columns[name]['data_type'] -%}
        {%- do translated.update(
            {name: {'name': columns[name]['name'], 'data_type': text_type() if type == 'varchar' else type}}
        ) -%}
    {%- endfor -%}
    {{ return(dbt.default__get_empty_schema_sql(translated)) }}
{%- endmacro %}
