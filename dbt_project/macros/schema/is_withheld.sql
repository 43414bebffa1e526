{#-
    Whether a name of a source or campaign has an address or a telephone number in it, as some mailings write into their
    links. A number begins with + or 00 and a country, or with a single 0; plain digits are a platform's own numbers.
-#}
{% macro is_withheld(name) -%}
    ({{ name }} like '%@%' or {{ regexp_like(
        name,
        '(^|[^0-9])([+]|00)[1-9]([ ()./-]{0,2}[0-9]){7,13}($|[^0-9])|(^|[^0-9])0[1-9][0-9]{1,4}[ /-]?[0-9]{6,9}($|[^0-9])'
    ) }})
{%- endmacro %}
