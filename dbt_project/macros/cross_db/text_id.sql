{#- A positive number of 52 bits made from a text: the first 13 hexadecimal digits of its MD5. -#}
{% macro text_id(text) -%}
    {{ return(adapter.dispatch('text_id')(text)) }}
{%- endmacro %}

{% macro default__text_id(text) -%}
    ('x' || left(md5({{ text }}), 13))::bit(52)::bigint
{%- endmacro %}

{% macro duckdb__text_id(text) -%}
    cast('0x' || left(md5({{ text }}), 13) as bigint)
{%- endmacro %}

{% macro spark__text_id(text) -%}
    cast(conv(left(md5({{ text }}), 13), 16, 10) as bigint)
{%- endmacro %}
