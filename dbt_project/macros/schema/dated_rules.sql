{#-
    CTE body: the rows of a seed of rules that came into force by the night, each with the time in which it held:
    `valid_from` up to but not including `valid_to`, as UTC timestamps; the company's days in the seed. What was to end
    after the night is not known to end yet. Under the var `lifecycle_rules: current` tonight's rules held at all times.
-#}
{% macro dated_rules(seed, columns) %}
    select
        {{ columns | join(',\n        ') }},
        {% if var('lifecycle_rules') == 'current' -%}
        cast('0001-01-01' as timestamp) as valid_from,
        cast('9999-12-31' as timestamp) as valid_to
        {%- else -%}
        coalesce({{ day_start('valid_from') }}, cast('0001-01-01' as timestamp)) as valid_from,
        case
            when valid_to <= {{ as_of_date() }} then {{ day_start('valid_to') }} else cast('9999-12-31' as timestamp)
        end as valid_to
        {%- endif %}
    from {{ seed }}
    where
        (valid_from is null or valid_from <= {{ as_of_date() }})
        {%- if var('lifecycle_rules') == 'current' %}
        and (valid_to is null or valid_to > {{ as_of_date() }})
        {%- endif %}
{% endmacro %}

{#- CTE body: the rows of a seed of rules that are in force in the night. -#}
{% macro rules_tonight(seed, columns) %}
    select {{ columns | join(', ') }}
    from {{ seed }}
    where
        (valid_from is null or valid_from <= {{ as_of_date() }})
        and (valid_to is null or valid_to > {{ as_of_date() }})
{% endmacro %}
