{#- A text member of a flat JSON object, as the connectors write it: `"name": "value"`, no quotes in it. -#}
{% macro text_attribute(attributes, name) -%}
    nullif(split_part(split_part({{ attributes }}, '"{{ name }}": "', 2), '"', 1), '')
{%- endmacro %}
