"""Components → customer ids that stay the same from night to night.

A known id goes to the component that holds its founding anchor, else the one with most of its anchors.
A component that gets several keeps the oldest; the others become aliases. One that gets none is a new
customer, whose id is made from its oldest anchor, so that it does not depend on the order of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer360.keys import MASK

Keys = npt.NDArray[np.int64]


def assign(engine: Any) -> dict[str, pa.Table]:
    """Ids for tonight's components, and what changed since the night before.

    `engine` is a DuckDB connection with `anchors` (anchor, component, first_seen_at, kind),
    `assignments` and `customers` (before tonight), `classes`, `links`, `record_component`, `similarity` and `decided`.
    Returns `ids` (component, customer_id) and the changes of `registry.write`.
    """
    engine.execute(_CLAIMS)
    founded = engine.sql(_NEW).to_arrow_table()
    taken = engine.sql("select customer_id from customers").to_arrow_table().column(0).to_numpy()
    ids = new_ids(founded.column("founding_anchor").to_numpy(), taken)
    engine.register("founded", founded.append_column("customer_id", pa.array(ids)))
    engine.execute(
        "create or replace temp table ids as select component, customer_id from kept"
        " union all select component, customer_id from founded"
    )
    engine.execute(
        "create or replace temp table tonight as"
        " select a.anchor, i.customer_id from anchors a join ids i using (component)"
    )
    engine.execute(_CHANGES)
    return {name: engine.sql(query).to_arrow_table() for name, query in _RESULTS.items()}


def new_ids(anchors: Keys, taken: Keys) -> Keys:
    """An id for each founding anchor: its last 53 bits, or the next number that is free. None is 0.

    The earlier of two anchors with the same 53 bits has them, so give them in a fixed order.
    """
    ids = anchors & MASK
    first = np.zeros(len(ids), np.bool_)
    first[np.unique(ids, return_index=True)[1]] = True
    is_free = first & ~np.isin(ids, taken) & (ids != 0)
    used = {*taken.tolist(), *ids[is_free].tolist(), 0}
    for place in np.flatnonzero(~is_free):
        wanted = int(ids[place])
        while wanted in used:
            wanted = (wanted + 1) & MASK
        used.add(wanted)
        ids[place] = wanted
    return ids


_CLAIMS = """
    create or replace temp table claims as
    select p.customer_id, a.component, count(*) as anchors, bool_or(p.anchor = c.founding_anchor) as has_founder,
        bool_and(a.kind = 'shared') as is_shared, min(c.created_as_of) as created_as_of
    from assignments p
    join anchors a using (anchor)
    join customers c using (customer_id)
    group by 1, 2;
    create or replace temp table awarded as
    select customer_id, component, created_as_of from (
        select *, row_number() over (
            partition by customer_id order by is_shared, has_founder desc, anchors desc, component
        ) as n
        from claims
    ) where n = 1;
    create or replace temp table kept as
    select customer_id, component from (
        select *, row_number() over (partition by component order by created_as_of, customer_id) as n from awarded
    ) where n = 1
"""
_NEW = """
    select component, anchor as founding_anchor from (
        select *, row_number() over (partition by component order by first_seen_at nulls last, anchor) as n
        from anchors where component not in (select component from kept)
    ) where n = 1 order by founding_anchor
"""
# Evidence of a merge: an identifier of the old customer on a record that carries one of the survivor's, else one
# of the records whose profiles are alike.
# Evidence of a split: an identifier of the old customer that may no longer link. What people decided is evidence, too.
_CHANGES = """
    create or replace temp table merged as
    select a.customer_id as customer_id_old, k.customer_id, k.component
    from awarded a join kept k using (component)
    where a.customer_id <> k.customer_id;
    create or replace temp table decided_side as
    select decision_id, kind, record_key_a as record_key, record_key_b as other_key from decided where not is_overruled
    union all
    select decision_id, kind, record_key_b, record_key_a from decided where not is_overruled;
    create or replace temp table unmerged as
    select k.customer_id as other_customer_id, f.customer_id, min(d.decision_id) as decision_id
    from decided_side d
    join record_component r on d.record_key = r.record_key
    join record_component o on d.other_key = o.record_key
    join founded f on r.component = f.component
    join kept k on o.component = k.component
    where d.kind = 'cannot_link'
    group by 1, 2;
    create or replace temp table left_behind as
    select distinct d.decision_id, p.customer_id
    from decided_side d
    join record_identifiers r using (record_key)
    join assignments p on r.identifier_key = p.anchor;
    create or replace temp table split as
    select distinct c.customer_id as other_customer_id, i.customer_id
    from claims c join ids i using (component) join awarded w on c.customer_id = w.customer_id
    where c.component <> w.component and i.component in (select component from founded)
    union
    select other_customer_id, u.customer_id
    from unmerged u join left_behind l on u.decision_id = l.decision_id and u.other_customer_id = l.customer_id;
    create or replace temp table retired as
    select distinct p.customer_id from assignments p
    where p.customer_id not in (select customer_id from awarded);
    create or replace temp table bridging as
    with carried as (
        select l.record_key, p.customer_id, min(p.anchor) as anchor
        from links l join assignments p on l.node = p.anchor
        where p.customer_id in (select customer_id_old from merged union all select customer_id from merged)
        group by 1, 2
    )
    select m.customer_id_old, min(o.anchor) as evidence
    from merged m
    join carried o on o.customer_id = m.customer_id_old
    join carried k on k.customer_id = m.customer_id and k.record_key = o.record_key
    group by 1;
    create or replace temp table must_carried as
    select d.decision_id, d.record_key, p.customer_id
    from decided_side d join links l using (record_key) join assignments p on l.node = p.anchor
    where d.kind = 'must_link'
    union
    select d.decision_id, d.record_key, p.customer_id
    from decided_side d join assignments p on d.record_key = p.anchor where d.kind = 'must_link';
    create or replace temp table told as
    select m.customer_id_old, min(o.decision_id) as decision_id
    from merged m
    join must_carried o on m.customer_id_old = o.customer_id
    join must_carried k on o.decision_id = k.decision_id and o.customer_id <> k.customer_id
    group by 1;
    create or replace temp table alike as
    select r.component, min(s.record_key_a) as evidence
    from similarity s join record_component r on s.record_key_a = r.record_key
    where s.is_link group by 1;
    create or replace temp table turned as
    select p.customer_id as other_customer_id, min(p.anchor) as evidence,
        arg_min(c.identifier_class || ': ' || c.reason, p.anchor) as reason
    from assignments p join classes c on p.anchor = c.identifier_key and c.identifier_class <> 'private'
    where p.customer_id in (select other_customer_id from split)
    group by 1
"""
_RESULTS = {
    "ids": "select component, customer_id from ids order by 1",
    "closed": """
        select p.anchor from assignments p left join tonight t using (anchor)
        where t.customer_id is distinct from p.customer_id order by 1
    """,
    "opened": """
        select t.anchor, t.customer_id from tonight t left join assignments p using (anchor)
        where t.customer_id is distinct from p.customer_id order by 1
    """,
    "created": "select customer_id, founding_anchor from founded order by 1",
    "aliases": "select customer_id_old, customer_id from merged order by 1",
    "events": """
        select 'created' as kind, customer_id, null::bigint as other_customer_id, founding_anchor as evidence,
            'first seen' as reason
        from founded
        union all
        select 'merged', customer_id, customer_id_old,
            coalesce(b.evidence, case when decision_id is null then a.evidence end),
            case when b.evidence is not null then 'on one record'
                when decision_id is not null then 'must_link: decision ' || decision_id
                when a.evidence is not null then 'alike' else 'linked through other records' end
        from merged left join bridging b using (customer_id_old) left join told using (customer_id_old)
        left join alike a using (component)
        union all
        select 'split', customer_id, other_customer_id, case when decision_id is null then evidence end,
            coalesce('cannot_link: decision ' || decision_id, reason, 'link gone')
        from split left join turned using (other_customer_id)
        left join unmerged using (customer_id, other_customer_id)
        union all
        select 'retired', customer_id, null, null, 'no identifier left' from retired
        order by 1, 2, 3
    """,
}
