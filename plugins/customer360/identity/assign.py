"""Components → customer ids that stay the same from night to night.

A known id goes to the component that holds its founding anchor, else the one with most of its anchors.
A component that gets several keeps the oldest; the others become aliases. One that gets none is a new
customer, whose id is made from its oldest anchor, so that it does not depend on the order of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

ID_BITS = 53  # exact in JSON and in spreadsheets


def assign(engine: Any) -> dict[str, pa.Table]:
    """Ids for tonight's components, and what changed since the night before.

    `engine` is a DuckDB connection with `anchors` (anchor, component, first_seen_at), `assignments`,
    `customers` (before tonight). Returns `ids` (component, customer_id) and the changes of
    `registry.write`.
    """
    engine.execute(_CLAIMS)
    founded = engine.sql(_NEW).to_arrow_table()
    engine.register("founded", _with_ids(engine, founded))
    engine.execute(
        "create or replace temp table ids as select component, customer_id from kept"
        " union all select component, customer_id from founded"
    )
    engine.execute(
        "create or replace temp table tonight as"
        " select a.anchor, i.customer_id from anchors a join ids i using (component)"
    )
    engine.execute(_MERGED)
    return {name: engine.sql(query).to_arrow_table() for name, query in _RESULTS.items()}


def _with_ids(engine: Any, founded: pa.Table) -> pa.Table:
    """New components with ids: the last 53 bits of their founding anchor, the next free one if taken."""
    taken = set(engine.sql("select customer_id from customers").to_arrow_table().column(0).to_pylist())
    mask = (1 << ID_BITS) - 1
    ids = []
    for anchor in founded.column("founding_anchor").to_pylist():
        wanted = (anchor & mask) or 1
        while wanted in taken:
            wanted = (wanted + 1) & mask or 1
        taken.add(wanted)
        ids.append(wanted)
    return founded.append_column("customer_id", pa.array(np.array(ids, np.int64)))


_CLAIMS = """
    create or replace temp table claims as
    select p.customer_id, a.component, count(*) as anchors, bool_or(p.anchor = c.founding_anchor) as has_founder,
        min(c.created_as_of) as created_as_of
    from assignments p
    join anchors a using (anchor)
    join customers c using (customer_id)
    group by 1, 2;
    create or replace temp table awarded as
    select customer_id, component, created_as_of from (
        select *, row_number() over (partition by customer_id order by has_founder desc, anchors desc, component) as n
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
_MERGED = """
    create or replace temp table merged as
    select a.customer_id as customer_id_old, k.customer_id
    from awarded a join kept k using (component)
    where a.customer_id <> k.customer_id;
    create or replace temp table split as
    select distinct c.customer_id as other_customer_id, i.customer_id
    from claims c join ids i using (component) join awarded w on c.customer_id = w.customer_id
    where c.component <> w.component and i.component in (select component from founded);
    create or replace temp table retired as
    select distinct p.customer_id from assignments p
    where p.customer_id not in (select customer_id from awarded)
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
        select 'created' as kind, customer_id, null::bigint as other_customer_id from founded
        union all select 'merged', customer_id, customer_id_old from merged
        union all select 'split', customer_id, other_customer_id from split
        union all select 'retired', customer_id, null from retired
        order by 1, 2, 3
    """,
}
