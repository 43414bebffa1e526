{#-
    Rows of a lake entity, each record in the version its source asserted last before the night. What it said
    only later stands in where nothing else is known, the first of it. Where `is_dated` is false, and among
    versions of one instant, the night it was loaded decides, then the batch and the place in the file.
    Most records have one version: only those that have several are put in order.
-#}
{% macro latest_version(entity, columns, is_dated=false, where='true') %}
    {%- set listed -%}
        record_key,
        source,
        source_record_id,
        batch_id,
        row_number as source_row,
        loaded_as_of,
        {{ columns | join(',\n        ') }}
    {%- endset -%}
    with repeated as (
        select record_key as repeated_key
        from {{ source('lake', entity) }}
        where {{ where }}
        group by record_key
        having count(*) > 1
    )

    select
        {{ listed }}
    from {{ source('lake', entity) }}
    where {{ where }} and not exists (select 1 from repeated where repeated_key = record_key)
    union all
    select
        {{ listed }}
    from (
        select
            *,
            row_number() over (
                partition by record_key
                order by
                    {% if is_dated -%}
                    case when observed_at >= {{ as_of() }} then observed_at end asc nulls first,
                    observed_at desc nulls last,
                    {% endif -%}
                    loaded_as_of desc,
                    batch_id desc,
                    row_number desc
            ) as version_rank
        from {{ source('lake', entity) }}
        where {{ where }} and record_key in (select repeated_key from repeated)
    ) as versions
    where version_rank = 1
{% endmacro %}
