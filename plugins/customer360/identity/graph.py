"""Records linked by the identifiers they share: connected components, guarded.

Private identifiers link every record that carries them. A shared one links the contact records that
carry it together with the same person's name. A component that still names several persons, or holds several
log-ins or customer numbers of one system, loses its weakest bridges, one kind after the other, until it no longer
does: they count as shared from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from customer360.identity import claims
from customer360.identity.people import People

Keys = npt.NDArray[np.int64]

SAME_NAME = "same_name"  # the kind of node that stands for one person's name at a shared identifier
WEAKEST_FIRST = (
    *(SAME_NAME, "cookie", "device", "handle", "fax", "phone"),
    *("loyalty", "email", "user_id", "account_ref"),
)
ROUNDS = 24  # more than kinds of identifiers, twice: each round cuts every doubtful component


def components(record_keys: Keys, nodes: Keys) -> tuple[Keys, Keys]:
    """Components of the bipartite graph record – node: (distinct nodes, their component).

    A component is numbered by its smallest node, so the answer does not depend on row order. Whatever ties nodes
    may stand for the records.
    """
    if not len(nodes):
        return np.array([], np.int64), np.array([], np.int64)
    distinct, column = np.unique(nodes, return_inverse=True)
    records, row = np.unique(record_keys, return_inverse=True)
    size = len(distinct) + len(records)
    edges = coo_matrix((np.ones(len(column), np.int8), (column, row + len(distinct))), shape=(size, size))
    _, label = connected_components(edges, directed=False)
    label = label[: len(distinct)]
    smallest = np.full(label.max(initial=-1) + 1, np.iinfo(np.int64).max, np.int64)
    np.minimum.at(smallest, label, distinct)
    return distinct, smallest[label]


def link(engine: Any, people: People) -> None:
    """Make the tables `links` (record_key, node, identifier_key), `linked` (record_key, component), `components`
    (node, component) and `uncut` (record_key, identifiers): how large components are before they are cut.

    `engine` is a DuckDB connection with `identifiers`, `record_identifiers`, `classes`, `together` what `claims.find`
    and `People` make; `classes` changes where an identifier turns out to bridge persons. The node of a
    private identifier is its key, that of a person at a shared one is made from both.
    """
    engine.execute("create or replace temp table components (node bigint, component bigint)")
    engine.execute("create or replace temp table links (record_key bigint, node bigint, identifier_key bigint)")
    engine.execute("create or replace temp table linked (record_key bigint, component bigint)")
    engine.execute("create or replace temp table cut (node bigint)")
    engine.execute("create or replace temp table uncut (record_key bigint, identifiers bigint)")
    engine.execute(_LINKS.format(target="open_links", records=""))
    for each in range(ROUNDS):
        _components(engine)
        doubtful = _doubtful(engine, people)
        engine.register("doubtful", pa.table({"component": pa.array(doubtful, pa.int64())}))
        if not each:
            engine.execute(_UNCUT)
        bridges = _bridges(engine, people) if doubtful else []
        engine.register("bridges", pa.table({"node": pa.array(bridges, pa.int64())}))
        engine.execute(_SETTLE)
        if not bridges:
            return
        engine.execute(_DEMOTE)
        engine.execute(_LINKS.format(target="open_links", records="join open_records using (record_key)"))
    raise RuntimeError(f"identity: components still contradict themselves after {ROUNDS} rounds of cutting")


def _components(engine: Any) -> None:
    """Make `open_components` (node, component). Only records with several identifiers tie nodes together."""
    engine.execute(_TIED)
    ties = engine.sql("select distinct t.node as tie, l.node from open_tied t join open_links l using (record_key)")
    edges = ties.to_arrow_table()
    found, component = components(edges.column("tie").to_numpy(), edges.column("node").to_numpy())
    engine.register("found", pa.table({"node": pa.array(found), "component": pa.array(component)}))
    engine.execute(_COMPONENTS)


def _doubtful(engine: Any, people: People) -> list[int]:
    """Components whose records name several persons, or claim to be several."""
    several = engine.sql(_NAMES_OF_COMPONENTS).fetchall()
    people.read([name_id for _, found in several for name_id, _ in found])
    united = _united(engine, people)
    named = {component for component, found in several if people.differ(found, united.get(component, ()))}
    return sorted(named | {component for (component,) in _claimed(engine, people, _CLAIMS_OF_COMPONENTS)})


def _claimed(engine: Any, people: People, query: str) -> list[tuple[Any, ...]]:
    """Rows of `query`, less the last column: claims of one system, where they are several persons'."""
    rows = engine.sql(query).fetchall()
    found = [[(node, spelled or []) for node, spelled in row[-1]] for row in rows]
    claims.read(people, found)
    one = claims.one_claims(engine, [node for each in found for node, _ in each]) if rows else set()
    return sorted(
        {tuple(row[:-1]) for row, each in zip(rows, found, strict=True) if claims.conflict(people, each, one)}
    )


def _united(engine: Any, people: People) -> dict[int, list[int]]:
    """{component: its identifiers that have shown several names to be one person's}."""
    engine.register("uniting", pa.table({"identifier_key": pa.array(people.uniting, pa.int64())}))
    rows = engine.sql(
        "select c.component, list(distinct l.identifier_key) from open_links l join uniting using (identifier_key)"
        " join open_components c using (node) group by 1"
    ).fetchall()
    return dict(rows)


def _bridges(engine: Any, people: People) -> list[int]:
    """In each doubtful component, the weakest kind of identifiers with several persons near them.

    Near are the names and claims on records that carry the identifier, or another one that was seen with it. If no
    identifier is near two persons, all of the weakest kind that tie others together are bridges.
    """
    engine.execute(_NEIGHBOURS)
    near = engine.sql(_NAMES_NEAR).fetchall()
    people.read([name_id for *_, found in near for name_id, _ in found])
    united = _united(engine, people)
    found = {
        (component, kind, key) for component, kind, key, ids in near if people.differ(ids, united.get(component, ()))
    }
    found |= set(_claimed(engine, people, _CLAIMS_NEAR))
    weakest = _weakest(found)
    rest = [row for row in engine.sql(_TIES).fetchall() if row[0] not in weakest]
    weakest |= _weakest(rest)
    return sorted({key for component, kind, key in (*found, *rest) if weakest[component] == kind})


def _weakest(found: Iterable[tuple[int, str, int]]) -> dict[int, str]:
    """{component: the weakest kind of identifier among its rows}."""
    kinds: dict[int, str] = {}
    for component, kind, _ in found:
        if component not in kinds or WEAKEST_FIRST.index(kind) < WEAKEST_FIRST.index(kinds[component]):
            kinds[component] = kind
    return kinds


# Several names make a shared identifier link by name; several log-ins or a contradiction do not, for there
# the names may well be the same. An organisation is no person: its record links by its own reference, and
# by a line or address that no person's record carries.
_LINKS = """
    create or replace temp table {target} as
    select r.record_key, r.identifier_key as node, r.identifier_key
    from record_identifiers r {records}
    join classes c on r.identifier_key = c.identifier_key and c.identifier_class = 'private'
    anti join slip on r.record_key = slip.record_key and r.identifier_key = slip.identifier_key
    left join identifiers i on r.record_kind = 'account' and r.identifier_key = i.identifier_key
    where r.record_kind <> 'account' or i.identifier_type = 'account_ref' or i.person_record_count = 0
    union all
    select r.record_key, xor(r.identifier_key, p.person + 1) as node, r.identifier_key
    from record_identifiers r {records}
    join classes c on r.identifier_key = c.identifier_key and c.identifier_class = 'shared'
        and c.reason in ('household', 'several_persons', 'several_identities', 'recycled')
    join record_spelling s using (record_key)
    join person_of p on r.identifier_key = p.identifier_key and s.name_id = p.name_id
    where r.record_kind <> 'interaction' and xor(r.identifier_key, p.person + 1) not in (select node from cut)
"""
_NAMES_OF_COMPONENTS = """
    with named as (
        select component, name_id, sum(weight)::integer as weight
        from (
            select distinct l.record_key, c.component
            from open_links l semi join record_spelling using (record_key) join open_components c using (node)
        )
        join record_spelling s using (record_key)
        group by 1, 2
    )
    select component, list(row(name_id, weight) order by name_id) as found
    from named semi join (select component from named group by 1 having count(*) > 1) using (component)
    group by 1 order by 1
"""
_CLAIMS_OF_COMPONENTS = f"""
    with claimed as (select component, space, node from open_components join claim using (node)),
    several as (
        select c.* from claimed c
        semi join (select component, space from claimed group by 1, 2 having count(*) > 1) using (component, space)
    )
    select component, list(row(node, found) order by node)
    from several left join ({claims.spelled("several")}) using (node)
    group by component, space order by component, space
"""
# A record is tied to its smallest node.
_TIED = """
    create or replace temp table open_tied as
    select l.record_key, min(l.node) as node
    from open_links l join (select distinct record_key from together) using (record_key)
    group by 1
"""
_COMPONENTS = """
    create or replace temp table open_components as
    select n.node, coalesce(f.component, n.node) as component
    from (select distinct node from open_links) n left join found f using (node)
"""
_SETTLE = """
    create or replace temp table open_records as
    select distinct l.record_key
    from open_links l join open_components c using (node)
    where c.component in (
        select component from open_components join bridges using (node)
    );
    insert into components
    select c.node, c.component from open_components c where c.component not in (
        select component from open_components join bridges using (node)
    );
    insert into linked
    select l.record_key, c.component
    from open_links l join open_components c using (node) left join open_tied t on l.record_key = t.record_key
    where l.record_key not in (select record_key from open_records) and (t.node is null or l.node = t.node);
    insert into links select * from open_links where record_key not in (select record_key from open_records)
"""
_UNCUT = """
    insert into uncut
    select min(l.record_key), count(distinct l.node)
    from open_links l join open_components c using (node) join doubtful d using (component)
    group by c.component
"""
_DEMOTE = """
    update classes set identifier_class = 'shared', reason = 'bridges_persons'
    where identifier_key in (select node from bridges);
    insert into cut select node from bridges
"""
# Nodes that occur together on a record of a doubtful component, and the names on each node's own records.
_NEIGHBOURS = """
    create or replace temp table doubtful_links as
    select l.*, c.component
    from open_links l join open_components c using (node) join doubtful d using (component);
    create or replace temp table neighbours as
    select distinct a.component, a.node, b.node as other
    from doubtful_links a join doubtful_links b using (record_key);
    create or replace temp table node_spelling as
    select l.node, s.name_id, sum(s.weight)::integer as weight
    from (select distinct record_key, node from doubtful_links) l join record_spelling s using (record_key)
    group by 1, 2
"""
_NAMES_NEAR = """
    select component, kind, node, list(row(name_id, weight) order by name_id) as found
    from (
        select n.component, coalesce(i.identifier_type, 'same_name') as kind, n.node, s.name_id,
            sum(s.weight)::integer as weight
        from neighbours n
        join node_spelling s on n.other = s.node
        left join identifiers i on n.node = i.identifier_key
        group by all
    )
    group by 1, 2, 3 having count(*) > 1
    order by 1, 2, 3
"""
_CLAIMS_NEAR = f"""
    with near as (
        select distinct n.component, n.node, c.node as claim, c.space
        from neighbours n
        join neighbours o on n.other = o.node
        join claim c on o.other = c.node
    )
    select n.component, coalesce(i.identifier_type, 'same_name') as kind, n.node,
        list(row(n.claim, s.found) order by n.claim)
    from near n
    left join identifiers i on n.node = i.identifier_key
    left join ({claims.spelled("near", "claim")}) s on n.claim = s.node
    group by n.component, kind, n.node, n.space having count(*) > 1
    order by n.component, kind, n.node, n.space
"""
_TIES = """
    select n.component, coalesce(i.identifier_type, 'same_name') as kind, n.node
    from neighbours n left join identifiers i on n.node = i.identifier_key
    group by 1, 2, 3 having count(*) > 2
    order by 1, 2, 3
"""
