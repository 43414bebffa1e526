{#-
    Rows of a lake entity as of the night, each record in the version its source asserted last before it. What it
    said only later stands in where nothing else is known, the first of it. Of an entity that is not dated, and
    among versions of one instant, the night it was loaded decides, then the batch and the place in the file.
    Most records have one version: only those that have several (`repeated_versions`) are put in order, and only they
    have a `version_batch`. `repeated`: a relation that holds these already.
-#}
{% macro latest_version(entity, columns, repeated=none) %}
    {%- if not repeated -%}
    with repeated as ({{ repeated_versions(entity) }})
    {%- endif %}

    select
        x.record_key,
        x.source,
        x.source_record_id,
        x.batch_id,
        x.row_number as source_row,
        r.kept_batch as version_batch,
        x.loaded_as_of,
        {{ columns | join(',\n        ') }}
    from {{ source('lake', entity) }} as x
    left join {{ repeated or 'repeated' }} as r on x.record_key = r.repeated_key
    where {{ known_of(entity).where }}
        and (r.repeated_key is null or (x.batch_id = r.kept_batch and x.row_number = r.kept_row))
{% endmacro %}

{#- repeated_key, kept_batch, kept_row: the version that counts, of each record that has several, by whichever night. -#}
{% macro repeated_versions(entity) %}
    {%- set known = known_of(entity) -%}
    select record_key as repeated_key, batch_id as kept_batch, row_number as kept_row
    from (
        select
            record_key,
            batch_id,
            row_number,
            row_number() over (
                partition by record_key
                order by
                    {% if known.is_dated -%}
                    case when observed_at >= {{ as_of() }} then observed_at end asc nulls first,
                    observed_at desc nulls last,
                    {% endif -%}
                    loaded_as_of desc,
                    batch_id desc,
                    row_number desc
            ) as version_rank
        from {{ source('lake', entity) }}
        where {{ known.where }} and record_key in (
            select record_key
            from {{ source('lake', entity) }}
            group by record_key
            having count(*) > 1
        )
    ) as versions
    where version_rank = 1
{% endmacro %}

{#- Which rows of an entity exist by the night, and whether its versions say when they were asserted. -#}
{% macro known_of(entity) -%}
    {%- set begun = '(coalesce(created_at, observed_at) < ' ~ as_of()
        ~ ' or coalesce(created_at, observed_at) is null)' -%}
    {{ return({
        'contact_record': {'where': begun, 'is_dated': true},
        'interaction': {'where': 'occurred_at < ' ~ as_of(), 'is_dated': false},
        'opportunity': {'where': begun, 'is_dated': true},
        'opportunity_stage': {'where': 'entered_at < ' ~ as_of(), 'is_dated': false},
        'sales_order': {'where': 'ordered_at < ' ~ as_of(), 'is_dated': true},
        'ad_spend': {'where': 'spend_date < ' ~ as_of_date(), 'is_dated': false},
    }[entity]) }}
{%- endmacro %}
