{#-
    Rate into the company's currency (var `currency`): 1 for amounts in it or that state none, else what the
    seed says; null where the seed says nothing. Without the var every amount stands as it is.
-#}
{% macro exchange_rate(currency, rate) -%}
    {%- if var('currency', none) -%}
    case when coalesce({{ currency }}, '{{ var("currency") }}') = '{{ var("currency") }}' then 1 else {{ rate }} end
    {%- else -%}
    1
    {%- endif -%}
{%- endmacro %}
