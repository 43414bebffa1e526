{#-
    Aggregate: `value` of the row with the latest `moment` (a row without one comes last), of these the one with the
    smallest bigint `key`. A value is never null.
-#}
{% macro newest_by(value, moment, key) -%}
    {{ return(adapter.dispatch('newest_by')(value, moment, key)) }}
{%- endmacro %}

{% macro default__newest_by(value, moment, key) -%}
    (array_agg({{ value }} order by {{ moment }} desc nulls last, {{ key }}))[1]
{%- endmacro %}

{#- Moment and key as one whole number of 128 bits: nothing is sorted. -#}
{% macro duckdb__newest_by(value, moment, key) -%}
    arg_max(
        {{ value }},
        coalesce(epoch_us({{ moment }}), -1000000000000000000)::hugeint * 18446744073709551616 - ({{ key }})::hugeint
    )
{%- endmacro %}

{% macro spark__newest_by(value, moment, key) -%}
    min_by({{ value }}, struct(-1 * coalesce({{ epoch_us(moment) }}, -1000000000000000000), {{ key }}))
{%- endmacro %}
