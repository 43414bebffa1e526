{#-
    Rows of a lake entity, each record in the version its source asserted last. `order_by` comes before
    what always decides: the night it was loaded, the batch, the place in the file.
-#}
{% macro latest_version(entity, columns, order_by=none, where='true') %}
    select
        record_key,
        source,
        source_record_id,
        batch_id,
        row_number as source_row,
        loaded_as_of,
        {{ columns | join(',\n        ') }}
    from (
        select
            *,
            row_number() over (
                partition by record_key
                order by
                    {% if order_by %}{{ order_by }},{% endif %}
                    loaded_as_of desc,
                    batch_id desc,
                    row_number desc
            ) as version_rank
        from {{ source('lake', entity) }}
        where {{ where }}
    ) as versions
    where version_rank = 1
{% endmacro %}
