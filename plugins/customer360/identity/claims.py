"""Claims: log-ins and customer numbers. A system gives a person one, so two of one system are two persons.

Unless it says itself that they are one (a record that carries both, as merges do), or their names do: people register
twice, and clerks enter a customer anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from customer360.identity import names
from customer360.identity.people import People, Spelled

Claim = tuple[int, list[Spelled]]  # the identifier's key, names on its records


def find(engine: Any) -> None:
    """Make the tables `claim` (node, space: the system that gave it, is_login) and `one_claim` (node, other: two on
    one record) in `engine`, which has the inputs, `classes` and `together`.
    """
    engine.execute(_CLAIMS)


def spelled(relation: str, column: str = "node") -> str:
    """SQL of (node, found: names on its records) of the claims in `column` of `relation`: there are many claims, and
    few are looked at."""
    return f"""
        select identifier_key as node, list(row(name_id, weight) order by name_id) as found
        from identifier_spelling where identifier_key in (select {column} from {relation})
        group by 1
    """


def one_claims(engine: Any, nodes: Iterable[int]) -> set[tuple[int, int]]:
    """Pairs of claims, the first one of `nodes`, of which a record says that they are one person's."""
    engine.register("asked_claim", pa.table({"node": pa.array(sorted(nodes), pa.int64())}))
    return set(engine.sql("from one_claim semi join asked_claim using (node)").fetchall())


def conflict(people: People, claims: Sequence[Claim], one: set[tuple[int, int]]) -> bool:
    """Whether `claims` of one system are certainly not all one person's."""
    if len(claims) > names.MANY:
        return True
    groups: list[list[Claim]] = []
    for claim in claims:
        joined = [group for group in groups if any(_is_one(people, claim, other, one) for other in group)]
        groups = [group for group in groups if group not in joined] + [
            [claim, *(each for group in joined for each in group)]
        ]
    return len(groups) > 1


def _is_one(people: People, a: Claim, b: Claim, one: set[tuple[int, int]]) -> bool:
    return (a[0], b[0]) in one or (bool(a[1] and b[1]) and not people.differ([*a[1], *b[1]]))


def read(people: People, found: Iterable[Sequence[Claim]]) -> None:
    """Let `people` know the names of many claims at once."""
    people.read([name_id for claims in found for _, spelled in claims for name_id, _ in spelled])


_CLAIMS = """
    create or replace temp table claim as
    with candidates as (
        select i.identifier_key as node, i.identifier_type, i.identifier_value
        from identifiers i
        join classes c on i.identifier_key = c.identifier_key and c.identifier_class = 'private'
        where i.identifier_type = 'user_id' and not contains(i.identifier_value, '@')  -- an address may change
            or i.identifier_type = 'account_ref' and regexp_matches(i.identifier_value, ':(contact|user):[^:]*$')
    )
    select node, hash(identifier_type || regexp_replace(identifier_value, '[^:]*$', '')) as space,
        identifier_type = 'user_id' as is_login
    from candidates where contains(identifier_value, ':')
    union
    select c.node, hash(c.identifier_type || r.source), c.identifier_type = 'user_id'
    from candidates c join record_identifiers r on c.node = r.identifier_key
    where not contains(c.identifier_value, ':');
    create or replace temp table one_claim as
    with carried as (select t.record_key, c.node, c.space from together t join claim c on t.identifier_key = c.node)
    select distinct a.node, b.node as other
    from carried a join carried b on a.record_key = b.record_key and a.space = b.space and a.node <> b.node
"""
