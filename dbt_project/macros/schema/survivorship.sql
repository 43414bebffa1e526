{#-
    Fields that survive together, by the group under which seed survivorship_rules knows them: no first name of one
    record before the family name of another. `given`: what says that a record states the group at all.
-#}
{% macro survivorship_groups() -%}
    {{ return({
        'name': {'given': 'full_name', 'fields': ['given_name', 'family_name', 'full_name']},
        'organisation': {'given': 'organisation', 'fields': ['organisation']},
        'job_title': {'given': 'job_title', 'fields': ['job_title']},
        'address': {
            'given': 'coalesce(address_line, city, postal_code, region, country)',
            'fields': ['address_line', 'city', 'postal_code', 'region', 'country'],
        },
        'owner': {'given': 'owner', 'fields': ['owner']},
        'self_reported_source': {'given': 'acquisition_source', 'fields': ['acquisition_source']},
    }) }}
{%- endmacro %}

{#- What a criterion of the seed says of a row with the columns trust, recency, seniority, frequency, completeness. -#}
{% macro criterion(name) -%}
    case {{ name }}
        when 'trust' then trust
        when 'recency' then recency
        when 'seniority' then seniority
        when 'frequency' then frequency
        when 'completeness' then completeness
        else 0
    end
{%- endmacro %}

{#-
    Names of the fields of a group that a row of int_customer__record states, each followed by a comma. `row`: its alias
    with a dot.
-#}
{% macro stated_fields(group, row='') -%}
    {%- set renamed = {'acquisition_source': 'self_reported_source'} -%}
    {%- for field in survivorship_groups()[group].fields -%}
        case when {{ row }}{{ field }} is null then '' else '{{ renamed.get(field, field) }},' end
        {{- ' || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- The same of all groups. -#}
{% macro all_stated_fields() -%}
    {%- for group in survivorship_groups() -%}
        {{ stated_fields(group) }} {{- ' || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- Aggregate over the groups of fields that one record gave: the names of those it states. -#}
{% macro surviving_fields(field_group, row) -%}
    {%- for group in survivorship_groups() -%}
        max(case when {{ field_group }} = '{{ group }}' then {{ stated_fields(group, row) }} else '' end)
        {{- ' || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- What a row states in `fields`, as one text to compare, whatever its letters' case. -#}
{% macro stated_value(fields) -%}
    {%- for field in fields -%}
        coalesce({{ lower_case(field) }}, '') {{- ' || chr(31) || ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#- How many of `fields` a row states. -#}
{% macro fields_given(fields) -%}
    {%- for field in fields -%}
        case when {{ field }} is null then 0 else 1 end {{- ' + ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
