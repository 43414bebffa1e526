{#- Whether a record of this kind is one that a source asserts of a person or an organisation. -#}
{% macro is_contact_record(record_kind) -%}
    ({{ record_kind }} not in ('interaction', 'opportunity', 'sales_order'))
{%- endmacro %}
