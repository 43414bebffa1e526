"""Hubs: values that link nobody and were used again tonight. Do they link nobody still?

A switchboard or kiosk whose every record were looked at again, with all that its callers and visitors have, would
make the cheapest of news a third of a night's work. Its own records say of which class it is; only where that changes,
or where they cannot say, is there more to look at.
"""

from __future__ import annotations

import pyarrow as pa

from customer360.engines.base import SLICE, Engine
from customer360.identity.classify import BROWSERS, CLASSES, classify, companions
from customer360.identity.people import People
from customer360.sources import OwnIdentities

_LAKE, _INPUTS = SLICE + "lake", SLICE + "intermediate"


def stir(engine: Engine, own: OwnIdentities) -> None:
    """Make table `stirred_hub` (identifier_key) of the slice: those of its `hub`s whose class or its reason is another
    tonight, or may be."""
    relations = {name: engine.qualify(_INPUTS, f"hub_{name}") for name in _OF_HUBS}
    if not engine.read(f"select 1 as one from {engine.qualify(_LAKE, 'hub')} limit 1").num_rows:
        engine.write(_LAKE, "stirred_hub", pa.table({"identifier_key": pa.array([], pa.int64())}))
        return
    at = {
        "hub": engine.qualify(_LAKE, "hub"),
        "changed": engine.qualify(_LAKE, "change_node"),
        "held": engine.qualify("identity", "identifier_class"),
        "identifiers": engine.qualify(_INPUTS, "int_identity__identifier"),
        "carried": engine.qualify(_INPUTS, "int_identity__record_identifier"),
        "named": engine.qualify(_INPUTS, "int_identity__record_name"),
        "hub_records": relations["record_identifiers"],
        "held_classes": relations["held_classes"],
    }
    for name, query in _OF_HUBS.items():
        engine.define(_INPUTS, f"hub_{name}", query.format(**at))
    standing = engine.read(_STANDING.format(**at)).cast(CLASSES)
    with engine.workspace(relations) as workspace:
        workspace.execute("set timezone = 'UTC'")
        companions(workspace, standing)
        People(workspace)
        classify(workspace, own)
        stirred = workspace.sql(_STIRRED).to_arrow_table()
    engine.write(_LAKE, "stirred_hub", stirred)


# What classes are made from, of the records that carry a hub, in an order in which each is made of those before it.
# Not all records of the other values they carry are there: one that was invalid is so still.
_OF_HUBS = {
    "record_identifiers": """
        select r.* from {carried} as r
        inner join (
            select distinct c.record_key
            from {carried} as c inner join {hub} as h on c.identifier_key = h.identifier_key
        ) as o on r.record_key = o.record_key
    """,
    "record_names": "select * from {named} where record_key in (select record_key from {hub_records})",
    "identifiers": """
        select
            i.identifier_key, i.identifier_type, i.identifier_value, i.account_record_count,
            i.is_valid and coalesce(c.reason, '') <> 'invalid' as is_valid
        from {identifiers} as i
        left join {held} as c
            on i.identifier_key = c.identifier_key and i.identifier_key not in (select identifier_key from {hub})
        where i.identifier_key in (select identifier_key from {hub_records})
    """,
    "held_classes": """
        select i.identifier_key, c.identifier_class, c.reason, n.node is not null as is_changed,
            h.identifier_key is not null as is_hub
        from (select distinct identifier_key from {hub_records}) as i
        left join {held} as c on i.identifier_key = c.identifier_key
        left join {changed} as n on i.identifier_key = n.node
        left join {hub} as h on i.identifier_key = h.identifier_key
    """,
}
_STANDING = """
    select i.identifier_key, i.identifier_class, i.reason
    from {held_classes} as i where not i.is_hub and i.identifier_class in ('generic', 'blocked')
"""
# A browser that was used tonight too may be a crowd's from now on, and what was typed there nobody's evidence.
_STIRRED = f"""
    with doubtful as (
        select r.record_key
        from record_identifiers r
        join identifiers i on r.identifier_key = i.identifier_key and {BROWSERS}
        join held_classes h on r.identifier_key = h.identifier_key and h.is_changed and not h.is_hub
    )
    select h.identifier_key
    from held_classes h join classes c using (identifier_key)
    where h.is_hub and (
        (h.identifier_class, h.reason) <> (c.identifier_class, c.reason)
        or h.identifier_key in (select identifier_key from record_identifiers semi join doubtful using (record_key))
    )
"""
