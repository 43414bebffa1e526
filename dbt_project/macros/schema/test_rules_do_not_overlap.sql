{#-
    Generic test on a seed of dated rules: of the same rule (`columns`) no two rows hold on one day, and none ends
    before it begins. `gapless`: on every day from 1900 on, for ever, one does.
-#}
{% test rules_do_not_overlap(model, columns, gapless=false) %}
with rules as (
    select
        {{ columns | join(', ') }},
        coalesce(valid_from, cast('1900-01-01' as date)) as begins,
        coalesce(valid_to, cast('9999-12-31' as date)) as ends
    from {{ model }}
),

neighbours as (
    select
        *,
        lag(ends) over by_time as previous_ends,
        lead(begins) over by_time as next_begins
    from rules
    window by_time as (partition by {{ columns | join(', ') }} order by begins, ends)
)

select *
from neighbours
where
    begins >= ends
    or previous_ends > begins
    {%- if gapless %}
    or coalesce(previous_ends, cast('1900-01-01' as date)) <> begins
    or coalesce(next_begins, cast('9999-12-31' as date)) <> ends
    {%- endif %}
{% endtest %}
