{#- A text's number of 52 bits, the same on every engine: the first thirteen digits of its MD5. -#}
{% macro text_key(text) -%}
    {{ return(adapter.dispatch('text_key')(text)) }}
{%- endmacro %}

{% macro default__text_key(text) -%}
    cast(cast('x' || lpad(substr(md5({{ text }}), 1, 13), 16, '0') as bit(64)) as bigint)
{%- endmacro %}

{% macro duckdb__text_key(text) -%}
    cast(('0x' || substr(md5({{ text }}), 1, 13)) as bigint)
{%- endmacro %}

{% macro spark__text_key(text) -%}
    cast(conv(substr(md5({{ text }}), 1, 13), 16, 10) as bigint)
{%- endmacro %}
