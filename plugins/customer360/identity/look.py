"""Which records of a slice identity has to look at again, and what stands as it was.

A night's commonest news is one more contact over a value that is one person's: a page seen, a message, a call. Such a
record changes nothing of who is who; it is the customer's whose value it carries. Only groups with other news are
resolved again, the rest of the slice keeps its customers.
"""

from __future__ import annotations

from collections.abc import Mapping

from customer360.engines.base import SLICE, Engine
from customer360.identity import hubs
from customer360.sources import OwnIdentities

# Values whose system says nothing by itself: the log-ins and customer numbers of `claims` do.
_QUIET_TYPES = "('email', 'phone', 'fax', 'cookie', 'device', 'loyalty', 'handle')"
_LAKE, _INPUTS, _NIGHT = SLICE + "lake", SLICE + "intermediate", SLICE + "identity"


def narrow(engine: Engine, inputs: Mapping[str, str], own: OwnIdentities) -> dict[str, str]:
    """Make tables of the slice: `quiet_record` (record_key, identifier_key), `looked_record` (record_key), and the
    rows of each of the `inputs` {name: model} that `looked_record` needs; {name: relation} of the latter."""
    at = _Names(engine)
    hubs.stir(engine, own)
    for name, query in _steps(at).items():
        engine.define(_LAKE, name, query)
    found = {name: engine.qualify(_INPUTS, f"looked_{name}") for name in inputs}
    carried = f"(select identifier_key from {found['record_identifiers']})"
    for name in sorted(inputs, key=lambda each: each == "identifiers"):  # of those that the records carry
        key, looked = ("identifier_key", carried) if name == "identifiers" else ("record_key", at.looked)
        whole = engine.qualify(_INPUTS, inputs[name])
        engine.define(_INPUTS, f"looked_{name}", f"select * from {whole} where {key} in {looked}")
    return found


def stand(engine: Engine) -> None:
    """Add to what identity found of `looked_record` the rows of the rest of the slice, as they were; what is quiet is
    the customer's whose value it carries."""
    at = _Names(engine)
    unlooked = f"select record_key from {at.universe} where record_key not in {at.looked}"
    engine.define(_LAKE, "unlooked_record", unlooked)
    rest = f"h.record_key in (select record_key from {at.night('unlooked_record')})"
    of_record = f"(select customer_id from {at.held('customer_record')} as h where {rest})"
    of_group = f"(select group_key from {at.held('record_group')} as h where {rest})"
    own = f"(select identifier_key from {engine.qualify(_INPUTS, 'int_identity__identifier')})"
    done = f"(select identifier_key from {engine.qualify(_INPUTS, 'looked_identifiers')})"
    kept = {
        "customer_record": rest,
        "record_group": rest,
        "record_profile": rest,
        "uncut": rest,
        "similarity": rest.replace("h.record_key", "h.record_key_a"),
        "node_group": f"h.group_key in {of_group}",
        "customer": f"h.customer_id in {of_record}",
        "customer_identifier": f"h.customer_id in {of_record}",
        "identifier_class": f"h.identifier_key in {own} and h.identifier_key not in {done}",
    }
    for table, condition in kept.items():
        target, held = engine.qualify(_NIGHT, table), at.held(table)
        engine.run(f"insert into {target} select h.* from {held} as h where {condition}")
    for table, source, key, column in (
        ("customer_record", "customer_identifier", "identifier_key", "customer_id"),
        ("record_group", "node_group", "node", "group_key"),
    ):
        engine.run(f"""
            insert into {engine.qualify(_NIGHT, table)}
            select q.record_key, h.{column}
            from {at.quiet} as q inner join {at.held(source)} as h on q.identifier_key = h.{key}
            where q.record_key not in {at.looked}
        """)


class _Names:
    """Tables by what they are to this module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.universe = self.night("universe")
        self.quiet = self.night("quiet_record")
        self.looked = f"(select record_key from {self.night('looked_record')})"

    def night(self, table: str) -> str:
        return self._engine.qualify(_LAKE, table)

    def held(self, table: str) -> str:
        return self._engine.qualify("identity", table)

    def input(self, model: str) -> str:
        return self._engine.qualify(_INPUTS, model)

    @property
    def known(self) -> str:
        """Identifiers of the night before."""
        return self._engine.qualify("staging", "stg_lake__identifier")


def _steps(at: _Names) -> dict[str, str]:
    """{table of the slice's lake: query}, each made of those before it."""
    carried = at.input("int_identity__record_identifier")
    return {
        # Where somebody decided, the cheapest cut depends on the number of records; `uncut` counts them, too.
        "counted_group": f"""
            select group_key from {at.held("record_group")}
            where record_key in (select record_key from {at.night("decided_record")})
                or record_key in (select record_key from {at.held("uncut")})
        """,
        "quiet_record": f"""
            with lone as (
                select record_key, min(identifier_key) as identifier_key
                from {carried}
                where record_kind = 'interaction'
                    and record_key in (select record_key from {at.night("change_record")})
                group by record_key
                having count(*) = 1
            )
            select l.record_key, l.identifier_key
            from lone as l
            inner join {at.input("int_identity__identifier")} as i
                on l.identifier_key = i.identifier_key and i.is_valid and i.identifier_type in {_QUIET_TYPES}
            inner join {at.held("identifier_class")} as c
                on l.identifier_key = c.identifier_key and c.identifier_class = 'private'
            inner join {at.held("node_group")} as g on l.identifier_key = g.node
            left join {at.known} as k on l.record_key = k.record_key
            left join {at.input("int_identity__record_name")} as n on l.record_key = n.record_key
            where k.record_key is null and n.record_key is null
                and g.group_key not in (select group_key from {at.night("counted_group")})
        """,
        "loud_record": f"""
            select record_key from {at.night("change_record")}
            where record_key not in (select record_key from {at.quiet})
            union select record_key from {at.night("similar_record")}
            union
            select r.record_key from {carried} as r
            inner join {at.night("stirred_hub")} as h on r.identifier_key = h.identifier_key
        """,
        "loud_node": f"""
            select node from {at.night("change_node")} where node not in (select identifier_key from {at.quiet})
            union
            select r.identifier_key from {carried} as r
            inner join {at.night("loud_record")} as l on r.record_key = l.record_key
        """,
        "looked_group": f"""
            select g.group_key from {at.held("record_group")} as g
            inner join {at.night("loud_record")} as l on g.record_key = l.record_key
            union
            select g.group_key from {at.held("node_group")} as g
            inner join {at.night("loud_node")} as l on g.node = l.node
        """,
        "looked_record": f"""
            select record_key from {at.night("loud_record")}
            union
            select g.record_key from {at.held("record_group")} as g
            inner join {at.night("looked_group")} as l on g.group_key = l.group_key
            union
            select q.record_key from {at.quiet} as q
            inner join {at.held("node_group")} as g on q.identifier_key = g.node
            inner join {at.night("looked_group")} as l on g.group_key = l.group_key
        """,
    }
