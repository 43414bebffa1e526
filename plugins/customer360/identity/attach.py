"""Records without a private identifier: whose are they?

A contact record stands for itself. Anything else that came over a shared line, mailbox or device belongs to
the one person whom its name hint means; on a browser or device to who logged in minutes before or after; where the
holders followed each other, to who held it at that time. Failing that, to a family's line or a shared browser itself,
which is a customer of its own kind. What came over generic values, or a line that strangers share, stays nobody's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from customer360.identity.carriers import HOLDERS, NUMBER_RESTS
from customer360.identity.classify import BROWSERS, PHONES
from customer360.identity.people import People, match_hints

SESSION = timedelta(minutes=30)  # on a browser or device, who logged in is there so long before and after
SLIPS = 2  # one use amid more than so many of somebody else's is a slip
STRANGERS = 2  # so many callers of other names than those of who held a number: nobody holds it
# A device changes hands at once, but not to and fro.
DEVICE_RESTS = timedelta(days=2)


def attach(engine: Any, people: People) -> None:
    """Make the tables `record_component` (record_key, component, kind) and `anchors`.

    `engine` is a DuckDB connection with the inputs, `classes`, `links`, `linked`, `components` and
    `assignments`. `kind`: private, shared (the component is the identifier itself) or record (the
    component is the record itself). `anchors` (anchor, component, first_seen_at, kind): what carries a
    customer id from night to night.
    """
    engine.execute(_UNDECIDED)
    rows = engine.sql(_NAMES_OF_HOLDERS).fetchall()
    hints = engine.sql(
        "select distinct identifier_key, name_hint from undecided where name_hint is not null"
    ).fetchall()
    engine.register("hint_match", match_hints(people, sorted(hints), rows))
    engine.execute(_HOLDERS)
    engine.execute(_RECORDS)
    engine.execute(_ANCHORS)


# Uses of shared identifiers by records that no private one decides.
_UNDECIDED = """
    create or replace temp table undecided as
    select r.record_key, r.identifier_key, r.seen_at, h.name_hint
    from record_identifiers r
    join classes c on r.identifier_key = c.identifier_key and c.identifier_class = 'shared'
    left join record_names h on r.record_key = h.record_key and h.name_hint is not null
    where r.record_kind not in ('contact', 'lead', 'account', 'form', 'user')
        and r.record_key not in (select record_key from linked);
    create or replace temp table held as
    select r.identifier_key, r.seen_at, l.component, r.record_key in (
            select record_key from record_names semi join record_spelling using (record_key) where name_hint is not null
        ) as is_named
    from record_identifiers r
    semi join undecided u on r.identifier_key = u.identifier_key
    join linked l on r.record_key = l.record_key
    where r.seen_at is not null
"""
# Whose records carry them, and what these are called.
_NAMES_OF_HOLDERS = """
    select h.identifier_key, h.component, list(distinct s.name_id order by s.name_id)
    from (
        select distinct h.identifier_key, h.component from held h
        semi join undecided u on h.identifier_key = u.identifier_key and u.name_hint is not null
    ) h
    join linked l using (component)
    join record_spelling s on l.record_key = s.record_key
    group by all order by all
"""
# Who used a shared identifier, from when to when.
_HOLDERS = f"""
    create or replace temp table hinted as
    select u.record_key, u.identifier_key, u.seen_at, m.component
    from undecided u join hint_match m on u.identifier_key = m.identifier_key and u.name_hint = m.name_hint;
    create or replace temp table used as
    select identifier_key, seen_at, component from held
    union all select identifier_key, seen_at, component from hinted where seen_at is not null;
    create or replace temp table named_holder as
    select distinct identifier_key, component from hinted
    union select identifier_key, component from held where is_named;
    create or replace temp table holder as
    with span as (
        select identifier_key, component, min(seen_at) as first_at, max(seen_at) as last_at, count(*) as uses
        from used group by 1, 2
    ),
    lasting as (
        select s.* from span s
        where s.uses > 1 or not exists (
            from span o
            where o.identifier_key = s.identifier_key and o.component <> s.component and o.uses > {SLIPS}
                and o.first_at < s.first_at and o.last_at > s.last_at
        )
    ),
    ordered as (
        select *, max(last_at) over (
            partition by identifier_key order by first_at, last_at, component
            rows between unbounded preceding and 1 preceding
        ) as before
        from lasting
    )
    select o.*, {PHONES} as is_number,
        bool_and(
            before is null or first_at - before >= case
                when {PHONES} then interval {NUMBER_RESTS.days} days else interval {DEVICE_RESTS.days} days
            end
        ) over (partition by o.identifier_key)
        and count(*) over (partition by o.identifier_key) <= {HOLDERS}
        and coalesce(h.persons + h.others, 0) - count(n.component) over (partition by o.identifier_key) < {STRANGERS}
            as is_sequence,
        count(*) over (partition by o.identifier_key) > 1 and p.is_household as is_family
    from ordered o
    join identifiers i on o.identifier_key = i.identifier_key and ({PHONES} or {BROWSERS})
    join classes c on o.identifier_key = c.identifier_key and c.reason <> 'household_hints'
    left join person_count p on o.identifier_key = p.identifier_key
    left join hint_count h on o.identifier_key = h.identifier_key
    left join named_holder n on o.identifier_key = n.identifier_key and o.component = n.component;
    -- A number is the next holder's after its last long silence before they are first heard of, a browser when they
    -- first log in.
    create or replace temp table held_from as
    with turn as (
        select identifier_key, component, is_number, before, first_at from holder
        where is_sequence and not coalesce(is_family, false)
    ),
    seen as (
        select distinct r.identifier_key, r.seen_at from record_identifiers r
        semi join turn t on r.identifier_key = t.identifier_key and t.is_number and t.before is not null
        where r.seen_at is not null
    ),
    silence as (
        select identifier_key, seen_at as until,
            lag(seen_at) over (partition by identifier_key order by seen_at) as since
        from seen
    ),
    rest as (
        select t.identifier_key, t.component,
            coalesce(
                max(s.until) filter (where s.until - s.since >= interval {NUMBER_RESTS.days} days),
                arg_max(s.until, (s.until - s.since, s.until))
            ) as until
        from turn t
        join silence s on t.identifier_key = s.identifier_key and s.since >= t.before and s.until <= t.first_at
        group by 1, 2
    )
    select t.identifier_key, t.component,
        case when t.before is null then timestamp '0001-01-01' else coalesce(r.until, t.first_at) end as from_at
    from turn t left join rest r using (identifier_key, component)
"""
# On a browser, the nearest log-in of its session counts; two at one instant do not.
_RECORDS = f"""
    create or replace temp table in_session as
    with told as (
        select identifier_key, seen_at, min(component) as component from used
        group by 1, 2 having count(distinct component) = 1
    )
    select u.record_key, u.identifier_key,
        arg_min(t.component, (t.seen_at > u.seen_at, abs(epoch_us(t.seen_at) - epoch_us(u.seen_at)))) as component
    from undecided u
    join identifiers i on u.identifier_key = i.identifier_key and {BROWSERS}
    join told t on u.identifier_key = t.identifier_key
        and t.seen_at between u.seen_at - interval {SESSION.seconds} seconds
        and u.seen_at + interval {SESSION.seconds} seconds
    group by 1, 2;
    create or replace temp table in_turn as
    select u.record_key, u.identifier_key, arg_max(h.component, h.from_at) as component
    from undecided u
    join held_from h on u.identifier_key = h.identifier_key and h.from_at <= u.seen_at
    group by 1, 2;
    create or replace temp table attached as
    select record_key, arg_min(component, (certainty, identifier_key)) as component
    from (
        select record_key, identifier_key, component, 0 as certainty from hinted
        union all select record_key, identifier_key, component, 1 from in_session
        union all select record_key, identifier_key, component, 2 from in_turn
    ) group by 1;
    create or replace temp table record_component as
    select record_key, component, 'private' as kind from linked
    union all
    select record_key, component, 'private' from attached
    union all
    select u.record_key, min(u.identifier_key), 'shared'
    from undecided u
    join identifiers i on u.identifier_key = i.identifier_key
    join classes c on u.identifier_key = c.identifier_key
    left join person_count p on u.identifier_key = p.identifier_key
    where u.record_key not in (select record_key from attached)
        and (not {PHONES} or p.is_household or c.reason in ('household_hints', 'bridges_persons'))
    group by 1
    union all
    select distinct record_key, record_key, 'record' from record_names
    where record_kind <> 'interaction' and record_key not in (select record_key from linked)
"""
# A contact record that once stood for itself keeps carrying its customer's id, whatever links it now.
_ANCHORS = """
    create or replace temp table standing_record as
    select r.record_key, any_value(r.component) as component, any_value(r.kind) as kind,
        min(n.seen_at) as first_seen_at
    from record_component r
    join record_names n on r.record_key = n.record_key and n.record_kind <> 'interaction'
    group by r.record_key;
    create or replace temp table anchors as
    select c.node as anchor, c.component, i.first_seen_at, 'private' as kind
    from components c
    join classes k on c.node = k.identifier_key and k.identifier_class = 'private'
    join identifiers i on c.node = i.identifier_key
    union all
    select r.component, r.component, any_value(i.first_seen_at), 'shared'
    from record_component r join identifiers i on r.component = i.identifier_key
    where r.kind = 'shared' group by r.component
    union all
    select s.record_key, s.component, s.first_seen_at, 'record'
    from standing_record s
    where s.kind = 'record'
        or s.record_key not in (
            select l.record_key from standing_record join links l using (record_key)
            join classes k on l.node = k.identifier_key and k.identifier_class = 'private'
        )
        or s.record_key in (select anchor from assignments)
"""
