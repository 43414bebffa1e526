{#- Whether a version was asserted before the night, or is not dated. -#}
{% macro known_by_night() -%}
    coalesce(observed_at < {{ as_of() }}, true)
{%- endmacro %}

{#- Columns of a dated version as they were by the night: what was said later is not said yet. -#}
{% macro observed_by_night() -%}
    case when observed_at < {{ as_of() }} then observed_at end as observed_at
{%- endmacro %}

{% macro deleted_by_night() -%}
    coalesce(is_deleted, false) and {{ known_by_night() }} as is_deleted
{%- endmacro %}
