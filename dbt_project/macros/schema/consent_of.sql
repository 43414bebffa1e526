{#- One channel of a consent object. The connectors write it flat, so text search is exact on every engine. -#}
{% macro consent_of(consent, channel) -%}
    case
        when {{ consent }} like '%"{{ channel }}": true%' or {{ consent }} like '%"{{ channel }}":true%' then true
        when {{ consent }} like '%"{{ channel }}": false%' or {{ consent }} like '%"{{ channel }}":false%' then false
    end
{%- endmacro %}
