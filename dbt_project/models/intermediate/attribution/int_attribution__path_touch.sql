-- The touches of each conversion within its look-back, and none where there are none; with what models ask of each.
-- `path_transform`: every touch counts; or of each state (its channel, source or campaign: `path_grain`) only the
-- first (unique), the first weighing as often as it was met (frequency); or the path's first and last (first_last).
{%- set states = {
    'channel': 'channel_group',
    'source': 'traffic_source',
    'campaign': "channel_group || chr(31) || coalesce(campaign, '')",
} %}
{%- set transform = var('path_transform', 'every') %}
{%- set grain = var('path_grain', 'channel') %}
{%- set weights = '1' %}
{%- if transform == 'frequency' %}
    {%- set weights = 'count(*) over (partition by conversion_set, conversion_key, ' ~ states[grain] ~ ')' %}
{%- endif %}
{%- set ranks = {} %}
{%- for name, state in states.items() %}
    {%- set rank = 'row_number() over (partition by conversion_set, conversion_key, ' ~ state
        ~ ' order by touched_at, touch_id)' %}
    {%- if transform == 'first_last' %} {#- of two ends of one state the first stands for it #}
        {%- set rank = 'case when row_number() over by_time > 1 and first_value(' ~ state ~ ') over by_time = '
            ~ state ~ ' then 2 else 1 end' %}
    {%- endif %}
    {%- do ranks.update({name: rank}) %}
{%- endfor %}
{%- set counted = {'every': 'true', 'first_last': 'place in (1, places)'}.get(transform, grain ~ '_rank = 1') %}
with pairs as (
    select
        c.conversion_set,
        c.conversion_key,
        c.customer_id,
        c.converted_at,
        c.path_ends_at,
        c.conversions,
        c.amount,
        t.touch_id,
        t.touched_at,
        t.origin_id,
        t.channel_group,
        t.traffic_source,
        t.campaign
    from {{ ref('int_attribution__conversion') }} as c
    left join {{ ref('attribution_touches') }} as t
        on
            c.customer_id = t.customer_id
            and c.path_ends_at >= t.touched_at
            and c.credit_from <= t.touched_at
),

told as (
    select
        *,
        max(touched_at) over whole_path as last_touched_at,
        {{ weights }} as weight,
        row_number() over by_time as place,
        count(*) over whole_path as places,
        {{ ranks['channel'] }} as channel_rank,
        {{ ranks['source'] }} as source_rank,
        {{ ranks['campaign'] }} as campaign_rank
    from pairs
    window
        whole_path as (partition by conversion_set, conversion_key),
        by_time as (partition by conversion_set, conversion_key order by touched_at, touch_id)
)

select
    conversion_set,
    conversion_key,
    customer_id,
    converted_at,
    path_ends_at,
    conversions,
    amount,
    touch_id,
    touched_at,
    last_touched_at,
    origin_id,
    channel_group,
    {{ 'place' if transform == 'every' else
        'row_number() over (partition by conversion_set, conversion_key order by place)' }} as touch_number,
    case when channel_rank = 1 then 1 else 0 end as is_first_channel,
    case when source_rank = 1 then 1 else 0 end as is_first_source,
    case when campaign_rank = 1 then 1 else 0 end as is_first_campaign,
    weight
from told
where {{ counted }}
