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

{#- An amount in the company's currency. The widths keep the product exact within 38 digits on every engine. -#}
{% macro converted(amount, currency, rate) -%}
    cast({{ amount }} as decimal(20, 6)) * cast({{ exchange_rate(currency, rate) }} as decimal(16, 8))
{%- endmacro %}
