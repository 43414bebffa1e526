-- How far does each channel's and source's rank depend on the model and the look-back, and how sure is its share?
-- Ranks count credited conversions of all months. The configured look-back has every model, shorter ones five.
with parameters as (
    select
        max(case when parameter = 'minimum_conversions' then value end) as minimum,
        max(case when parameter = 'z' then value end) as z
    from {{ ref('sensitivity_parameters') }}
),

ranked as (
    select
        c.*,
        p.z,
        c.conversions < p.minimum as is_too_few,
        rank() over (
            partition by c.grain, c.conversion_set, c.window_days, c.model
            order by c.conversions desc
        ) as source_rank
    from {{ ref('int_sensitivity__credited') }} as c
    cross join parameters as p
    where c.of_conversions > 0
),

judged as (
    select
        *,
        min(case when not is_too_few then source_rank end) over its_own as best_rank,
        max(case when not is_too_few then source_rank end) over its_own as worst_rank
    from ranked
    window its_own as (partition by grain, conversion_set, acquisition_source, channel_group, traffic_source)
)

select
    cast(grain as {{ text_type() }}) as grain,
    cast(conversion_set as {{ text_type() }}) as conversion_set,
    window_days,
    cast(model as {{ text_type() }}) as model,
    cast(acquisition_source as {{ text_type() }}) as acquisition_source,
    cast(channel_group as {{ text_type() }}) as channel_group,
    cast(traffic_source as {{ text_type() }}) as traffic_source,
    conversions,
    cast({{ ratio_of('conversions', 'of_conversions', 6) }} as decimal(9, 6)) as share,
    {{ interval_of('conversions', 'of_conversions', 'z', '-') }} as share_low,
    {{ interval_of('conversions', 'of_conversions', 'z', '+') }} as share_high,
    cast(case when not is_too_few then source_rank end as integer) as source_rank,
    cast(best_rank as integer) as best_rank,
    cast(worst_rank as integer) as worst_rank,
    cast(
        case
            when is_too_few then 'too few conversions to say'
            when best_rank = worst_rank then 'the same rank by every model and look-back'
            else 'the rank depends on model and look-back'
        end as {{ text_type() }}
    ) as verdict
from judged
