{#- CTE body: per customer the newest non-null values of `columns`, taken together from one record. -#}
{% macro newest(relation, columns, given) %}
    select customer_id, {{ columns | join(', ') }}
    from (
        select
            customer_id,
            {{ columns | join(', ') }},
            row_number() over (partition by customer_id order by recency_rank) as rank_of_given
        from {{ relation }}
        where {{ given }} is not null
    ) as given
    where rank_of_given = 1
{% endmacro %}
