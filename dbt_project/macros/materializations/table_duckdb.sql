{#- DuckDB puts a table in another's place within one transaction, and nobody reads while a night writes. dbt's own
    way builds beside it, renames twice and drops afterwards: as dear as a small model itself, a hundred times a night. -#}
{% materialization table, adapter='duckdb' %}
    {%- set held = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {%- if held is not none %} drop {{ held.type }} {{ held }}; {%- endif %}
        {{ create_table_as(false, target_relation, compiled_code) }}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
