"""What people decided, put into effect: must-link and cannot-link constraints on tonight's components.

A must_link is a node that both records carry; no rule cuts it. A cannot_link parts the component between its two
records at the cheapest links (see `cut`), and keeps shared lines and likeness from joining them again.
Decisions about records that are not there tonight wait for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from customer360.identity.cut import UNCUTTABLE, Apart, cut
from customer360.identity.graph import WEAKEST_FIRST, components

_MUST = "must_link"  # the kind of node that a decision makes


def constrain(engine: Any) -> None:
    """Let `links`, `linked` and `components` say what was decided; make the tables `decided`, `must_link` and
    `cannot_link` (decision_id, record_key_a, record_key_b, node), of records that are here, and `parted`
    (record_key, node): the links that were cut.

    `engine` has the inputs, `decisions` (as `decisions.standing`) and what `graph.link` makes.
    """
    engine.execute(_DECIDED)
    if not _is_decided(engine):
        return
    engine.execute(_REOPENED)
    links = engine.sql("select record_key, node, kind from reopened_link order by record_key, node").to_arrow_table()
    records, nodes = (links.column(name).to_numpy() for name in ("record_key", "node"))
    weights = np.array([_weight(kind) for kind in links.column("kind").to_pylist()], np.int32)
    apart = engine.sql("select record_key_a, record_key_b, leaving from cannot_link").fetchall()
    is_cut = cut(records, nodes, weights, [Apart(*pair) for pair in apart])
    kept = links.filter(pa.array(~is_cut))
    found, component = components(records[~is_cut], nodes[~is_cut])
    engine.register("kept_link", kept)
    engine.register("cut_link", links.filter(pa.array(is_cut)))
    engine.register("settled", pa.table({"node": pa.array(found), "component": pa.array(component)}))
    engine.execute(_SETTLE)


def stand_apart(engine: Any) -> None:
    """Let `record_component` and `anchors` say it too, where a shared line joined records again or left them out."""
    if _is_decided(engine):
        engine.execute(_STAND_APART)


def _is_decided(engine: Any) -> bool:
    """Whether people decided anything about records that are here."""
    return bool(engine.sql("select 1 from must_link union all select 1 from cannot_link limit 1").fetchall())


def kept_apart(engine: Any) -> pa.Table:
    """(left, right): numbers in table `part` of components that must not be one customer's, left < right."""
    return engine.sql(_KEPT_APART).to_arrow_table()


def _weight(kind: str) -> int:
    """Evidence of a link: two of the next weaker kind weigh as much."""
    return UNCUTTABLE if kind == _MUST else 1 << WEAKEST_FIRST.index(kind)


_DECIDED = f"""
    create or replace temp table decided as
    with mentioned as (select unnest([record_key_a, record_key_b]) as record_key from decisions),
    present as (
        select record_key from record_identifiers semi join mentioned using (record_key)
        union select record_key from record_names semi join mentioned using (record_key)
    )
    select d.*, xor(d.record_key_a, d.record_key_b) as node
    from decisions d
    semi join present a on d.record_key_a = a.record_key
    semi join present b on d.record_key_b = b.record_key;
    create or replace temp table must_link as from decided where kind = '{_MUST}' and not is_overruled;
    create or replace temp table cannot_link as from decided where kind <> '{_MUST}' and not is_overruled;
    create or replace temp table parted (record_key bigint, node bigint)
"""
_REOPENED = f"""
    create or replace temp table reopened as
    select distinct l.component from linked l
    join (select unnest([record_key_a, record_key_b]) as record_key from decided where not is_overruled)
        using (record_key);
    create or replace temp table reopened_link as
    select distinct l.record_key, l.node, coalesce(i.identifier_type, '{WEAKEST_FIRST[0]}') as kind
    from links l
    join components c using (node)
    semi join reopened r on c.component = r.component
    left join identifiers i on l.node = i.identifier_key
    union all
    select unnest([record_key_a, record_key_b]), node, '{_MUST}' from must_link
"""
_SETTLE = f"""
    insert into parted select record_key, node from cut_link;
    delete from links using parted p where links.record_key = p.record_key and links.node = p.node;
    insert into links select record_key, node, node from kept_link where kind = '{_MUST}';
    delete from components where component in (from reopened);
    insert into components select node, component from settled;
    delete from linked where component in (from reopened);
    insert into linked select distinct k.record_key, s.component from kept_link k join settled s using (node)
"""
# Of two records that a line joined again, one that nothing else links stands for itself; so does what lost its only
# link. Contact records do anyway.
_STAND_APART = """
    create or replace temp table standing_apart as
    select case when c.record_key_b in (select record_key from linked) then c.record_key_a else c.record_key_b end
        as record_key
    from cannot_link c
    join record_component a on c.record_key_a = a.record_key
    join record_component b on c.record_key_b = b.record_key and a.component = b.component
    union
    select record_key from parted where record_key not in (select record_key from record_component);
    delete from record_component where record_key in (from standing_apart);
    insert into record_component select record_key, record_key, 'record' from standing_apart;
    delete from anchors where kind = 'shared' and component not in (select component from record_component);
    insert into anchors
    select r.record_key, r.component, min(i.seen_at), 'record'
    from record_component r left join record_identifiers i using (record_key)
    where (
            r.record_key in (from standing_apart)
            or r.record_key in (select unnest([record_key_a, record_key_b]) from must_link)
        )
        and r.record_key not in (select record_key from standing_record)
    group by 1, 2
"""
_KEPT_APART = """
    select distinct least(p.part, q.part) as "left", greatest(p.part, q.part) as "right"
    from cannot_link c
    join record_component a on c.record_key_a = a.record_key
    join record_component b on c.record_key_b = b.record_key
    join part p on a.component = p.component
    join part q on b.component = q.component
    where p.part <> q.part order by 1, 2
"""
