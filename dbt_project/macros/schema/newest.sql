{#- CTE body: per customer the newest non-null values of `columns`, taken together from one record. -#}
{% macro newest(relation, columns, given) %}
    select r.customer_id, {% for column in columns %}r.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ relation }} as r
    inner join (
        select customer_id, min(recency_rank) as newest_rank
        from {{ relation }}
        where {{ given }} is not null
        group by customer_id
    ) as given on r.customer_id = given.customer_id and r.recency_rank = given.newest_rank
{% endmacro %}
