-- How many of a customer's moves to a later stage each touch led to, on the way to each conversion: a touch leads
-- to the moves between it and the next touch, or the path's end.
with stages as (
    {{ rules_tonight(ref('lifecycle_stages'), ['stage', 'stage_rank']) }}
),

moves as (
    select t.customer_id, t.occurred_at
    from {{ ref('lifecycle_transitions') }} as t
    inner join stages as f on t.from_stage = f.stage
    inner join stages as g on t.to_stage = g.stage
    where g.stage_rank > f.stage_rank
),

led as (
    select
        p.conversion_set,
        p.conversion_key,
        m.occurred_at,
        max(p.touched_at) as touched_at
    from {{ ref('int_attribution__path_touch') }} as p
    inner join moves as m
        on
            p.customer_id = m.customer_id
            and p.path_ends_at >= m.occurred_at
            and p.touched_at <= m.occurred_at
    group by p.conversion_set, p.conversion_key, m.occurred_at
),

-- Of touches in one instant the last one leads.
placed as (
    select l.conversion_set, l.conversion_key, l.occurred_at, max(p.touch_id) as touch_id
    from led as l
    inner join {{ ref('int_attribution__path_touch') }} as p
        on
            l.conversion_set = p.conversion_set
            and l.conversion_key = p.conversion_key
            and l.touched_at = p.touched_at
    group by l.conversion_set, l.conversion_key, l.occurred_at
)

select conversion_set, conversion_key, touch_id, count(*) as stage_changes
from placed
group by conversion_set, conversion_key, touch_id
