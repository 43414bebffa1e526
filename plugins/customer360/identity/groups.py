"""Groups: records that have to be looked at together, because a change of one may change what another is.

Tied are records that share an identifier which may link (private or shared), an account or an opportunity,
records whose profiles are possibly one person's, and records about which somebody decided.
A group is coarser than a customer: it holds whole customers, and all who share a line.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from customer360.identity.graph import components


def reference_node(reference: str) -> str:
    """SQL (DuckDB) of the number that stands for a reference among identifiers' keys."""
    return f"(hash('reference ' || {reference}) >> 1)::bigint"


def group(engine: Any) -> None:
    """Make the tables `record_group` (record_key, group_key) and `node_group` (node, group_key).

    `engine` is a DuckDB connection with the inputs, `record_references` (record_key, reference), `classes`,
    `components`, `linked` (record_key, component), `slip`, `similarity` and `decided`. Nodes are identifiers' keys and
    `reference_node`s. A record that nothing ties to others is left out.
    """
    engine.execute(_TIES)
    ties = engine.sql("select label, node from tie").to_arrow_table()
    found, component = components(ties.column("label").to_numpy(), ties.column("node").to_numpy())
    engine.register("grouped", pa.table({"node": pa.array(found), "group_key": pa.array(component)}))
    engine.execute(_GROUPS)


# A record's label: the component it is linked to already, or itself. Where all records with an identifier are
# linked by it, it ties nothing more.
_TIES = f"""
    create or replace temp table tied as
    with open_identifier as (
        select k.identifier_key from classes k where k.identifier_class in ('private', 'shared')
    )
    select r.record_key, r.identifier_key as node
    from record_identifiers r
    semi join (select identifier_key from open_identifier anti join components on identifier_key = node)
        using (identifier_key)
    union
    select r.record_key, r.identifier_key
    from record_identifiers r semi join open_identifier using (identifier_key)
    where r.record_kind = 'account'
    union
    select record_key, identifier_key from slip
    union
    select record_key, {reference_node("reference")} from record_references
    union
    select unnest([record_key_a, record_key_b]), xor(record_key_a, record_key_b) from similarity
    union
    select unnest([record_key_a, record_key_b]), node from decided;
    create or replace temp table labelled as
    select t.record_key, t.node, coalesce(l.component, t.record_key) as label
    from tied t left join linked l using (record_key);
    create or replace temp table tie as
    select distinct label, node from labelled
    union
    select c.component, c.node from components c where c.node in (select node from labelled)
"""
_GROUPS = """
    create or replace temp table label_group as
    select label, min(group_key) as group_key from tie join grouped using (node) group by 1;
    create or replace temp table record_group as
    select l.record_key, coalesce(g.group_key, l.component) as group_key
    from linked l left join label_group g on l.component = g.label
    union all
    select l.record_key, any_value(g.group_key)
    from labelled l join label_group g using (label)
    where l.label = l.record_key group by 1;
    create or replace temp table node_group as
    select node, group_key from grouped
    union all
    select c.node, coalesce(g.group_key, c.component)
    from components c left join label_group g on c.component = g.label
    where c.node not in (select node from grouped)
"""
