-- Credited conversions of each channel and source by model and look-back, and of how many each is a part.
{{ config(tags=['whole']) }}
with whole as (
    select
        s.grain,
        s.conversion_set,
        c.lookback_days as window_days,
        s.model,
        s.acquisition_source,
        s.channel_group,
        s.traffic_source,
        s.conversions
    from {{ ref('attribution_summary') }} as s
    inner join {{ ref('attribution_conversions') }} as c on s.conversion_set = c.conversion_set
    where s.grain <> 'campaign'
),

told as (
    select w.*, o.acquisition_source, o.channel_group, o.traffic_source
    from {{ ref('int_sensitivity__window') }} as w
    inner join {{ ref('attribution_origins') }} as o on w.origin_id = o.origin_id
),

everything as (
    select * from whole
    union all
    select 'channel', conversion_set, window_days, model, acquisition_source, channel_group, '(all)', conversions
    from told
    union all
    select 'source', conversion_set, window_days, model, '(all)', '(all)', traffic_source, conversions
    from told
),

totals as (
    select conversion_set, sum(conversions) as conversions
    from {{ ref('attribution_summary') }}
    where grain = 'source' and model = 'first'
    group by conversion_set
)

select
    e.grain,
    e.conversion_set,
    cast(e.window_days as integer) as window_days,
    e.model,
    e.acquisition_source,
    e.channel_group,
    e.traffic_source,
    cast(sum(e.conversions) as decimal(18, 9)) as conversions,
    cast(max(t.conversions) as decimal(18, 9)) as of_conversions
from everything as e
inner join totals as t on e.conversion_set = t.conversion_set
where 'unattributed' not in (e.acquisition_source, e.traffic_source)
group by
    e.grain,
    e.conversion_set,
    e.window_days,
    e.model,
    e.acquisition_source,
    e.channel_group,
    e.traffic_source
