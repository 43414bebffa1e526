"""The statements of `restatements`, in the order in which they run."""

from __future__ import annotations

from typing import Final

# What moved ---------------------------------------------------------------------------------------

ROWS: Final = """
    create temp table restated_row on commit drop as
    select r.valid_from = %(n)s as is_new, r.conversion_set, r.conversion_key, r.customer_id, r.touch_id,
        r.converted_at, r.conversions, r.amount, coalesce(r.origin_id, 0) as origin_id, {kept}
    from store.attribution_credit r
    where r.valid_from = %(n)s or r.valid_to = %(n)s
"""
# A conversion of which only some rows moved stands in both publications: `held` is one that did not.
CONVERSION: Final = """
    create temp table restated_conversion on commit drop as
    with sides as (
        select conversion_set, conversion_key,
            max(customer_id) filter (where not is_new) as customer_from,
            max(customer_id) filter (where is_new) as customer_to,
            max(converted_at) filter (where not is_new) as at_from,
            max(converted_at) filter (where is_new) as at_to,
            max(conversions) filter (where not is_new) as number_from,
            max(conversions) filter (where is_new) as number_to,
            max(amount) filter (where not is_new) as amount_from,
            max(amount) filter (where is_new) as amount_to
        from restated_row
        group by conversion_set, conversion_key
    )
    select s.conversion_set, s.conversion_key,
        coalesce(s.customer_from, held.customer_id) as customer_from,
        coalesce(s.customer_to, held.customer_id) as customer_to,
        coalesce(s.at_from, held.converted_at) as at_from,
        coalesce(s.at_to, held.converted_at) as at_to,
        coalesce(s.number_from, held.conversions, 0) as number_from,
        coalesce(s.number_to, held.conversions, 0) as number_to,
        coalesce(s.amount_from, held.amount, 0) as amount_from,
        coalesce(s.amount_to, held.amount, 0) as amount_to
    from sides s
    left join lateral (
        select r.customer_id, r.converted_at, r.conversions, r.amount
        from store.attribution_credit r
        where r.conversion_set = s.conversion_set and r.conversion_key = s.conversion_key
            and r.valid_from < %(n)s and r.valid_to is null and (s.customer_from is null or s.customer_to is null)
        limit 1
    ) held on true
"""
TOUCH: Final = """
    create temp table restated_touch on commit drop as
    select touch_id, not bool_or(is_new) as is_gone, bool_and(is_new) as is_late,
        max(customer_id) filter (where not is_new) as customer_from,
        max(customer_id) filter (where is_new) as customer_to,
        min(touched_at) <> max(touched_at) or min(origin_id) <> max(origin_id) or min(consent) <> max(consent)
            as is_corrected
    from (
        select valid_from = %(n)s as is_new, touch_id, customer_id, touched_at, origin_id, consent
        from store.attribution_touches
        where valid_from = %(n)s or valid_to = %(n)s
    ) sides
    group by touch_id
"""
# Customers between whom records moved, and whether it was a merge: then one of them is no more.
MOVED_CUSTOMER: Final = """
    create temp table restated_customer on commit drop as
    with moved as (
        select old.customer_id as customer_from, new.customer_id as customer_to
        from store.customer_identity_map old
        join store.customer_identity_map new using (record_key)
        where old.valid_to = %(n)s and new.valid_from = %(n)s and old.customer_id <> new.customer_id
    ),
    merged as (select customer_id_old from store.customer_alias where valid_from = %(n)s)
    select customer_id, bool_or(customer_from in (select customer_id_old from merged)) as is_merge
    from (
        select customer_from as customer_id, customer_from from moved
        union all
        select customer_to, customer_from from moved
    ) ends
    group by customer_id
"""

# Why ----------------------------------------------------------------------------------------------

EVIDENCE: Final = """
    create temp table restated_evidence on commit drop as
    select r.conversion_set, r.conversion_key,
        min(t.touch_id) filter (where t.customer_from <> t.customer_to) as moved_touch,
        min(t.customer_from) filter (where t.customer_from <> t.customer_to) as moved_from,
        min(t.touch_id) filter (where t.is_late and r.is_new) as late_touch,
        min(t.touch_id) filter (where t.is_gone and not r.is_new) as gone_touch,
        min(t.touch_id) filter (where t.is_corrected) as corrected_touch
    from restated_row r
    join restated_touch t using (touch_id)
    group by r.conversion_set, r.conversion_key
"""
CAUSE: Final = """
    create temp table restated_cause on commit drop as
    with sets as (
        select conversion_set, bool_or(valid_from < %(n)s) as was, bool_or(valid_to is null) as is_now
        from store.attribution_summary
        where valid_to is null or valid_to = %(n)s
        group by conversion_set
    )
    select c.*, e.moved_touch, e.late_touch, e.gone_touch, e.corrected_touch,
        case
            when c.customer_from is not null and c.customer_to is not null then null
            when not coalesce(s.was and s.is_now, false) then 'rule_changed'
            when c.customer_to is not null and c.at_to >= %(before)s at time zone 'UTC' then 'new_conversion'
            when c.customer_from is not null and c.at_from >= %(night)s at time zone 'UTC' then 'earlier_night'
            when m.is_merge then 'identity_merge'
            when not m.is_merge then 'identity_split'
            when c.customer_to is not null then 'late_conversion'
            else 'withdrawn_conversion'
        end as existence,
        case
            when (c.customer_from <> c.customer_to or e.moved_touch is not null) and coalesce(m.is_merge, f.is_merge)
                then 'identity_merge'
            when c.customer_from <> c.customer_to or e.moved_touch is not null then 'identity_split'
            when e.late_touch is not null then 'late_touch'
            when e.gone_touch is not null then 'touch_withdrawn'
            when e.corrected_touch is not null then 'touch_corrected'
            else 'rule_changed'
        end as path
    from restated_conversion c
    left join restated_evidence e using (conversion_set, conversion_key)
    left join sets s using (conversion_set)
    left join restated_customer m on m.customer_id = coalesce(c.customer_from, c.customer_to)
    left join restated_customer f on f.customer_id = e.moved_from
"""

# By how much --------------------------------------------------------------------------------------

# A date moves all credit from one month to another; then the amount changes under the old shares; then the shares do.
STEP: Final = """
    create temp table restated_step on commit drop as
    with origin as (
        select conversion_set, conversion_key, origin_id, {sides}
        from restated_row
        group by conversion_set, conversion_key, origin_id
    ),
    side as (
        select o.*, c.number_from, c.number_to, c.amount_from, c.amount_to, c.existence, c.path,
            date_trunc('month', c.at_from)::date as month_from, date_trunc('month', c.at_to)::date as month_to
        from origin o
        join restated_cause c using (conversion_set, conversion_key)
    )
    select conversion_set, conversion_key, existence as cause, coalesce(month_to, month_from) as month, origin_id,
        number_from as conversions_from, number_to as conversions_to, amount_from, amount_to, {old_new}
    from side where existence is not null
    union all
    select conversion_set, conversion_key, 'date_corrected', month_from, origin_id,
        number_from, number_from, amount_from, amount_from, {old_nothing}
    from side where existence is null and month_from <> month_to
    union all
    select conversion_set, conversion_key, 'date_corrected', month_to, origin_id,
        number_from, number_from, amount_from, amount_from, {nothing_old}
    from side where existence is null and month_from <> month_to
    union all
    select conversion_set, conversion_key, 'amount_corrected', month_to, origin_id,
        number_from, number_to, amount_from, amount_to, {old_old}
    from side where existence is null and (number_from <> number_to or amount_from <> amount_to)
    union all
    select conversion_set, conversion_key, path, month_to, origin_id,
        number_to, number_to, amount_to, amount_to, {old_new}
    from side where existence is null and ({moved})
"""
CELLS: Final = """
    create temp table restated_cell on commit drop as
    with origin as (
        select distinct on (origin_id) origin_id, acquisition_source, channel_group, traffic_source, campaign
        from store.attribution_origins
        where valid_to is null or valid_to = %(n)s
        order by origin_id, valid_to desc nulls first
    ),
    wide as (
        select conversion_set, month, origin_id, cause, {totals}
        from restated_step
        group by conversion_set, month, origin_id, cause
    ),
    labelled as (
        select v.grain, v.model, w.conversion_set, w.month, {labels}, w.cause,
            v.conversions_from, v.conversions_to, v.amount_from, v.amount_to
        from wide w
        cross join lateral (values {models})
            as v (grain, model, conversions_from, conversions_to, amount_from, amount_to)
        left join origin o using (origin_id)
    )
    select {cell}, cause, sum(conversions_from) as conversions_from, sum(conversions_to) as conversions_to,
        sum(amount_from) as amount_from, sum(amount_to) as amount_to
    from labelled
    group by {cell}, cause
"""
DIFFERENCE: Final = """
    create temp table restated_difference on commit drop as
    select {cell},
        coalesce(sum(conversions) filter (where valid_to = %(n)s), 0) as conversions_from,
        coalesce(sum(conversions) filter (where valid_from = %(n)s), 0) as conversions_to,
        coalesce(sum(amount) filter (where valid_to = %(n)s), 0) as amount_from,
        coalesce(sum(amount) filter (where valid_from = %(n)s), 0) as amount_to
    from store.attribution_summary
    where valid_from = %(n)s or valid_to = %(n)s
    group by {cell}
"""
# A model without shares per touch divides a month's credited conversions among the cells by shares of its own.
# What each cause did to their number moves every cell in proportion; the rest is that the shares changed.
JOURNEYS: Final = """
    insert into restated_cell
    with total as (
        select grain, conversion_set, month, cause, is_attributed,
            sum(conversions_from) as conversions_from, sum(conversions_to) as conversions_to,
            sum(amount_from) as amount_from, sum(amount_to) as amount_to
        from (
            select *, 'unattributed' not in (acquisition_source, traffic_source) as is_attributed
            from restated_cell
            where model = %(reference)s
        ) one_model
        group by grain, conversion_set, month, cause, is_attributed
    ),
    cell as (
        select {cell}, conversions, amount, is_attributed,
            sum(conversions) over divided as conversions_of_month, sum(amount) over divided as amount_of_month
        from (
            select {cell}, conversions, amount,
                'unattributed' not in (acquisition_source, traffic_source) as is_attributed
            from store.attribution_summary
            where valid_to is null and not model = any(%(models)s)
        ) its_own
        window divided as (partition by grain, model, conversion_set, month, is_attributed)
    )
    select c.grain, c.model, c.conversion_set, c.month, c.acquisition_source, c.channel_group, c.traffic_source,
        c.campaign, t.cause,
        round(t.conversions_from * c.conversions / nullif(c.conversions_of_month, 0), 9),
        round(t.conversions_to * c.conversions / nullif(c.conversions_of_month, 0), 9),
        round(coalesce(t.amount_from * c.amount / nullif(c.amount_of_month, 0), 0), 11),
        round(coalesce(t.amount_to * c.amount / nullif(c.amount_of_month, 0), 0), 11)
    from cell c
    join total t using (grain, conversion_set, month, is_attributed)
    where c.conversions_of_month <> 0
"""
# A summary's cell is rounded to the cent, before and after; so is the change of each cause. What that leaves, at most
# a cent and a half for each, belongs to the cell's largest cause. Anything more has a line, and so a cause, of its own.
SUMMARY: Final = """
    insert into store.attribution_restatements
        (publication_id, as_of, previous_as_of, {cell}, cause,
        conversions_from, conversions_to, amount_from, amount_to, cost_from, cost_to, row_key, row_hash, valid_from)
    with cause as (
        select c.*, round(amount_to - amount_from, 2) as amount_moved, conversions_to - conversions_from as moved,
            row_number() over largest as size_rank
        from restated_cell c
        where conversions_from <> conversions_to or amount_from <> amount_to
        window largest as (
            partition by {cell}
            order by abs(amount_to - amount_from) desc, abs(conversions_to - conversions_from) desc, cause
        )
    ),
    explained as (
        select {cell}, sum(moved) as moved, sum(amount_moved) as amount_moved, count(*) as causes
        from cause
        group by {cell}
    ),
    rest as (
        select {cell}, d.conversions_from, d.conversions_to, d.amount_from, d.amount_to,
            coalesce(d.conversions_to - d.conversions_from, 0) - coalesce(e.moved, 0) as moved,
            coalesce(d.amount_to - d.amount_from, 0) - coalesce(e.amount_moved, 0) as amount_moved,
            coalesce(e.causes, 0) as causes
        from restated_difference d
        full join explained e using ({cell})
    ),
    judged as (
        select *,
            causes > 0 and abs(amount_moved) <= 0.015 * (causes + 1) and abs(moved) <= 0.00000001 * (causes + 1)
                as is_folded
        from rest
        where moved <> 0 or amount_moved <> 0
    ),
    line as (
        select {cell}, c.cause, round(c.conversions_from, 9) as conversions_from,
            round(c.conversions_from, 9) + c.moved + case when c.size_rank = 1 then coalesce(j.moved, 0) else 0 end
                as conversions_to,
            round(c.amount_from, 2) as amount_from,
            round(c.amount_from, 2) + c.amount_moved
                + case when c.size_rank = 1 then coalesce(j.amount_moved, 0) else 0 end as amount_to
        from cause c
        left join (select * from judged where is_folded) j using ({cell})
        union all
        select {cell},
            case
                when not model = any(%(models)s) then 'journeys_changed'
                when abs(amount_moved) <= 0.02 and moved = 0 then 'rounding'
                when exists (select from store.attribution_origins o where o.valid_to = %(n)s) then 'rule_changed'
                else 'unexplained'
            end,
            coalesce(conversions_to, 0) - moved, coalesce(conversions_to, 0),
            coalesce(amount_to, 0) - amount_moved, coalesce(amount_to, 0)
        from judged
        where not is_folded
    )
    select %(n)s, %(night)s at time zone 'UTC', %(before)s at time zone 'UTC', l.*, 0, 0, k.row_key, k.row_key, %(n)s
    from line l
    cross join lateral (
        select hashtextextended(concat_ws('|', %(n)s, {cell}, cause), 0) as row_key
    ) k
    where conversions_from <> conversions_to or amount_from <> amount_to
"""
# Costs are the same under every model and conversion set, and exact: no rounding.
COSTS: Final = """
    insert into store.attribution_restatements
        (publication_id, as_of, previous_as_of, {cell}, cause, conversions_from, conversions_to, amount_from, amount_to,
        cost_from, cost_to, row_key, row_hash, valid_from)
    with moved as (
        select cost_date, cost_kind, acquisition_source, channel_group, traffic_source, campaign,
            sum(cost) filter (where valid_to = %(n)s) as cost_from,
            sum(cost) filter (where valid_from = %(n)s) as cost_to
        from store.marketing_costs
        where valid_from = %(n)s or valid_to = %(n)s
        group by cost_date, cost_kind, acquisition_source, channel_group, traffic_source, campaign
    ),
    told as (
        select max(cost_date) as last_date
        from store.marketing_costs
        where valid_from < %(n)s and (valid_to is null or valid_to = %(n)s)
    ),
    caused as (
        select m.*, date_trunc('month', cost_date)::date as month,
            case
                when cost_from is null and cost_date > coalesce(t.last_date, '-infinity') then 'new_cost'
                when cost_from is null then 'late_cost'
                when cost_to is null then 'withdrawn_cost'
                else 'cost_corrected'
            end as cause
        from moved m cross join told t
        where cost_from is distinct from cost_to
    ),
    labelled as (
        select grain, '(all)' as model, '(all)' as conversion_set, month, {cost_labels}, cause,
            coalesce(cost_from, 0) as cost_from, coalesce(cost_to, 0) as cost_to
        from caused o
        cross join unnest(%(grains)s) as grain
    )
    select %(n)s, %(night)s at time zone 'UTC', %(before)s at time zone 'UTC', {cell}, cause, 0, 0, 0, 0,
        sum(cost_from), sum(cost_to), min(k.row_key), min(k.row_key), %(n)s
    from labelled l
    cross join lateral (
        select hashtextextended(concat_ws('|', %(n)s, {cell}, cause), 0) as row_key
    ) k
    group by {cell}, cause
"""
RESTATED: Final = """
    insert into store.attribution_restated_conversions
        (publication_id, as_of, conversion_set, conversion_key, cause, customer_id_from, customer_id_to,
        converted_at_from, converted_at_to, amount_from, amount_to, touch_id, row_key, row_hash, valid_from)
    select %(n)s, %(night)s at time zone 'UTC', c.conversion_set, c.conversion_key, s.cause, c.customer_from,
        c.customer_to, c.at_from, c.at_to, case when c.customer_from is not null then c.amount_from end,
        case when c.customer_to is not null then c.amount_to end,
        case s.cause
            when 'identity_merge' then c.moved_touch
            when 'identity_split' then c.moved_touch
            when 'late_touch' then c.late_touch
            when 'touch_withdrawn' then c.gone_touch
            when 'touch_corrected' then c.corrected_touch
        end, k.row_key, k.row_key, %(n)s
    from (select distinct conversion_set, conversion_key, cause from restated_step) s
    join restated_cause c using (conversion_set, conversion_key)
    cross join lateral (
        select hashtextextended(concat_ws('|', %(n)s, s.conversion_set, s.conversion_key, s.cause), 0) as row_key
    ) k
"""
