{#- Of a slice's relation the one that holds all rows, as the night before left it. -#}
{% macro held_relation(relation) -%}
    {{ return(relation.incorporate(path={'schema': relation.schema | replace(var('slice'), '')})) }}
{%- endmacro %}
