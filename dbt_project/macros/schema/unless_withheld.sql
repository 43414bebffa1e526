{#- A name of a source or campaign as marketing may see it: without an address or a telephone number in it. -#}
{% macro unless_withheld(name) -%}
    case when {{ is_withheld(name) }} then '(withheld)' else {{ name }} end
{%- endmacro %}
