{#- Microseconds from 1970 to a timestamp, as a bigint. -#}
{% macro epoch_us(moment) -%}
    {{ return(adapter.dispatch('epoch_us')(moment)) }}
{%- endmacro %}

{% macro default__epoch_us(moment) -%}
    cast(extract(epoch from {{ moment }}) * 1000000 as bigint)
{%- endmacro %}

{% macro duckdb__epoch_us(moment) -%}
    epoch_us({{ moment }})
{%- endmacro %}

{% macro spark__epoch_us(moment) -%}
    timestampdiff(microsecond, timestamp '1970-01-01 00:00:00', {{ moment }})
{%- endmacro %}
