-- Why did which figure of attribution_summary move since the publication before, and by how much?
-- Its rows are made when a night is published, of what that changes in what is served.
select
    cast(null as bigint) as publication_id,
    cast(null as timestamp) as as_of,
    cast(null as timestamp) as previous_as_of,
    cast(null as {{ text_type() }}) as grain,
    cast(null as {{ text_type() }}) as model,
    cast(null as {{ text_type() }}) as conversion_set,
    cast(null as date) as month,
    cast(null as {{ text_type() }}) as acquisition_source,
    cast(null as {{ text_type() }}) as channel_group,
    cast(null as {{ text_type() }}) as traffic_source,
    cast(null as {{ text_type() }}) as campaign,
    cast(null as {{ text_type() }}) as cause,
    cast(null as decimal(18, 9)) as conversions_from,
    cast(null as decimal(18, 9)) as conversions_to,
    cast(null as decimal(18, 2)) as amount_from,
    cast(null as decimal(18, 2)) as amount_to,
    cast(null as decimal(18, 6)) as cost_from,
    cast(null as decimal(18, 6)) as cost_to
where 1 = 0
