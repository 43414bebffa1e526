"""One person at one shared line: components that use it and bear one name become one.

A shared line links records by name where the name stands on them; here also where it stands on other records of those
who use it, such as the customer's whose number was typed during a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from customer360.identity import names
from customer360.identity.graph import components
from customer360.identity.people import People, Spelled


def reunite(engine: Any, people: People) -> None:
    """Join components in `linked`, `links` and `components`. `engine` has the inputs, `classes` and what `graph.link`
    makes. Nothing is joined that would name several persons then."""
    engine.execute(_SHARING)
    found = engine.sql(_NAMES_OF_SHARING).fetchall()
    people.read([name_id for _, _, spelled in found for name_id, _ in spelled])
    named: dict[int, list[Spelled]] = {}
    at_line: dict[int, list[int]] = {}
    for key, component, spelled in found:
        named[component] = spelled
        at_line.setdefault(key, []).append(component)
    ties: list[tuple[int, int, int]] = []
    for key, several in sorted(at_line.items()):
        ties += [(key, one, other) for one, other in _same(people, named, several)]
    joined = _joined(people, named, ties)
    keys, parts, wholes = zip(*joined, strict=True) if joined else ((), (), ())
    engine.register(
        "reunited",
        pa.table(
            {name: pa.array(values, pa.int64()) for name, values in zip(_REUNITED, (keys, parts, wholes), strict=True)}
        ),
    )
    engine.execute(_JOIN)


def _same(people: People, named: dict[int, list[Spelled]], several: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of components of which each fits the other alone."""
    fits: dict[int, list[int]] = {each: [] for each in several}
    for place, one in enumerate(several):
        for other in several[place + 1 :]:
            if _is_one(people, named[one], named[other]):
                fits[one].append(other)
                fits[other].append(one)
    return [
        (one, other)
        for one, others in fits.items()
        for other in others
        if one < other and not people.differ([pair for each in {one, *fits[one], *fits[other]} for pair in named[each]])
    ]


def _is_one(people: People, a: Sequence[Spelled], b: Sequence[Spelled]) -> bool:
    """Whether both have a full name in common and none that contradicts it."""
    full = any(
        names.is_full(x) and names.is_full(y) and names.same_person(x, y)
        for x in (people.name(name_id) for name_id, _ in a)
        for y in (people.name(name_id) for name_id, _ in b)
    )
    return full and not people.differ([*a, *b])


def _joined(
    people: People, named: dict[int, list[Spelled]], ties: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """(identifier_key, component, the component it becomes part of), both ends of each tie that holds."""
    tie = np.arange(len(ties), dtype=np.int64)
    ends = np.array([(one, other) for _, one, other in ties], np.int64).reshape(-1, 2)
    members, whole = components(np.concatenate([tie, tie]), np.concatenate([ends[:, 0], ends[:, 1]]))
    of = dict(zip(members.tolist(), whole.tolist(), strict=True))
    sets: dict[int, list[int]] = {}
    for each, group in of.items():
        sets.setdefault(group, []).append(each)
    sound = {
        group
        for group, each in sets.items()
        if not people.differ([pair for component in each for pair in named[component]])
    }
    return sorted({(key, end, of[end]) for key, one, other in ties for end in (one, other) if of[end] in sound})


_REUNITED = ("identifier_key", "component", "whole")
_SHARING = """
    create or replace temp table sharing as
    select distinct r.identifier_key, l.component
    from record_identifiers r
    join classes c on r.identifier_key = c.identifier_key and c.identifier_class = 'shared'
        and c.reason in (
            'household', 'several_persons', 'several_identities', 'recycled', 'passing_names', 'bridges_persons'
        )
    join linked l on r.record_key = l.record_key
    where r.record_kind <> 'account'
"""
_NAMES_OF_SHARING = f"""
    with named as (
        select l.component, s.name_id, sum(s.weight)::integer as weight
        from linked l
        semi join sharing h on l.component = h.component
        join record_spelling s on l.record_key = s.record_key
        group by 1, 2
    ),
    spelled as (select component, list(row(name_id, weight) order by name_id) as found from named group by 1),
    counted as (select identifier_key from sharing semi join spelled using (component) group by 1
        having count(*) between 2 and {names.MANY})
    select h.identifier_key, h.component, s.found
    from sharing h semi join counted using (identifier_key) join spelled s using (component)
    order by 1, 2
"""
# The name's node at the line ties what is joined.
_JOIN = """
    insert into links
    select distinct r.record_key, xor(u.identifier_key, u.whole) as node, u.identifier_key
    from reunited u
    join linked l using (component)
    join record_identifiers r on l.record_key = r.record_key and u.identifier_key = r.identifier_key;
    insert into components
    select distinct xor(u.identifier_key, u.whole), u.whole from reunited u;
    update components set component = u.whole from (select distinct component, whole from reunited) u
    where components.component = u.component;
    update linked set component = u.whole from (select distinct component, whole from reunited) u
    where linked.component = u.component
"""
