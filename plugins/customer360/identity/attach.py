"""Records without a private identifier: whose are they?

A contact record stands for itself. Anything else that came over a shared line or mailbox belongs to
the one person whom its name hint means, or who held the number at that time; failing that, to the
line itself, which is a customer of its own kind. What came over generic values stays nobody's.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from customer360.identity.people import People, match_hints


def attach(engine: Any, people: People) -> None:
    """Make the tables `record_component` (record_key, component, kind) and `anchors`.

    `engine` is a DuckDB connection with the inputs, `classes`, `era`, `links`, `linked`, `components` and
    `assignments`. `kind`: private, shared (the component is the identifier itself) or record (the
    component is the record itself). `anchors` (anchor, component, first_seen_at, kind): what carries a
    customer id from night to night.
    """
    engine.execute(_UNDECIDED)
    pairs = engine.sql(
        "select distinct identifier_key, name_hint from undecided where name_hint is not null order by 1, 2"
    ).fetchall()
    matches = match_hints(people, pairs)
    engine.register(
        "hint_matches",
        pa.table(
            {
                "identifier_key": pa.array([key for key, _ in pairs], pa.int64()),
                "name_hint": pa.array([hint for _, hint in pairs], pa.string()),
                "person": pa.array(matches, pa.int64()),
            }
        ),
    )
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
        and r.record_key not in (select record_key from linked)
"""
_RECORDS = """
    create or replace temp table held as
    select e.identifier_key, p.person, min(r.seen_at) >= any_value(e.since) as is_present
    from era e
    join person_of p using (identifier_key)
    join record_spelling s using (name_id)
    join record_identifiers r on s.record_key = r.record_key and e.identifier_key = r.identifier_key
    group by 1, 2;
    create or replace temp table only_holder as
    select identifier_key, is_present, min(person) as person from held group by 1, 2 having count(*) = 1;
    create or replace temp table attached as
    select u.record_key, min(u.identifier_key) as identifier_key,
        arg_min(c.component, u.identifier_key) as component
    from undecided u
    left join hint_matches m on u.identifier_key = m.identifier_key and u.name_hint = m.name_hint
    left join era e on u.identifier_key = e.identifier_key
    left join only_holder o on e.identifier_key = o.identifier_key and o.is_present = (u.seen_at >= e.since)
    join components c on c.node = xor(u.identifier_key, coalesce(m.person, o.person) + 1)
    group by 1;
    create or replace temp table record_component as
    select record_key, component, 'private' as kind from linked
    union all
    select record_key, component, 'private' from attached
    union all
    select record_key, min(identifier_key), 'shared' from undecided
    where record_key not in (select record_key from attached) group by 1
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
