-- Which conversion's credit moved since the publication before, and why?
-- Its rows are made when a night is published, of what that changes in what is served.
select
    cast(null as bigint) as publication_id,
    cast(null as timestamp) as as_of,
    cast(null as {{ text_type() }}) as conversion_set,
    cast(null as bigint) as conversion_key,
    cast(null as {{ text_type() }}) as cause,
    cast(null as bigint) as customer_id_from,
    cast(null as bigint) as customer_id_to,
    cast(null as timestamp) as converted_at_from,
    cast(null as timestamp) as converted_at_to,
    cast(null as decimal(18, 2)) as amount_from,
    cast(null as decimal(18, 2)) as amount_to,
    cast(null as bigint) as touch_id
where 1 = 0
