"""Why are these two records one customer? The shortest chain of evidence that leads from one to the other."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from customer360.engines.base import Engine
from customer360.identity.explain import mask
from customer360.keys import record_key

# A chain over private identifiers is preferred to any over likeness, and that to one over shared identifiers, which
# link by name only.
_COST = {"private": 1, "alike": 1_000, "shared": 1_000_000}
Record = tuple[str, str, str]  # source, record_kind, source_record_id


@dataclass(frozen=True, slots=True)
class Step:
    """From one record to the next by an identifier both carry, or because they are alike. Keys are `record_key` and
    `identifier_key`; of likeness, `reason` is its probability and the rest None."""

    from_record: int
    to_record: int
    identifier_key: int | None
    identifier_type: str | None
    identifier_value: str | None  # masked unless asked for
    identifier_class: str  # private, shared or alike
    reason: str


def link_path(engine: Engine, record_a: Record, record_b: Record, reveal: bool = False) -> list[Step]:
    """Steps from `record_a` to `record_b`, both of one customer of the last run on this engine.

    Empty if they are the same record or no chain of evidence leads from one to the other. Raises
    ValueError if one is unknown, or they are not one customer's.
    """
    start, goal = record_key(*record_a), record_key(*record_b)
    _same_customer(engine, start, goal)
    rows = engine.read(
        f"""
        select r.record_key, r.identifier_key, r.identifier_type, r.identifier_value, k.identifier_class, k.reason
        from {engine.qualify("identity", "customer_record")} as c
        join {engine.qualify("identity", "customer_record")} as o on o.customer_id = c.customer_id
        join {engine.qualify("intermediate", "identifier")} as r on r.record_key = o.record_key
        join {engine.qualify("identity", "identifier_class")} as k on k.identifier_key = r.identifier_key
        where c.record_key = {start} and k.identifier_class in ('private', 'shared')
        """
    ).to_pylist()
    facts = {row["identifier_key"]: row for row in rows}
    pairs = [(row["record_key"], row["identifier_key"]) for row in rows]
    costs = {key: _COST[fact["identifier_class"]] for key, fact in facts.items()}
    likeness = _likeness(engine, start)
    for number, (a, b, _) in enumerate(likeness):
        pairs += [(a, -number - 1), (b, -number - 1)]
        costs[-number - 1] = _COST["alike"]
    steps = []
    for from_record, key, to_record in shortest(pairs, costs, start, goal):
        fact = facts.get(key)
        if fact is None:
            steps.append(Step(from_record, to_record, None, None, None, "alike", f"{likeness[-key - 1][2]:.4f}"))
            continue
        value = mask(fact["identifier_value"], reveal)
        named = (key, fact["identifier_type"], value, fact["identifier_class"], fact["reason"])
        steps.append(Step(from_record, to_record, *named))
    return steps


def _likeness(engine: Engine, start: int) -> list[tuple[int, int, float]]:
    """Records of the customer of `start` that were united for being alike, with the probability."""
    record = engine.qualify("identity", "customer_record")
    rows = engine.read(
        f"""
        select s.record_key_a, s.record_key_b, s.probability
        from {engine.qualify("identity", "similarity")} as s
        join {record} as a on a.record_key = s.record_key_a
        join {record} as c on c.customer_id = a.customer_id
        where c.record_key = {start} and s.is_link
        order by 1, 2
        """
    )
    return [(row["record_key_a"], row["record_key_b"], row["probability"]) for row in rows.to_pylist()]


def shortest(
    pairs: Sequence[tuple[int, int]], costs: Mapping[int, int], start: int, goal: int
) -> list[tuple[int, int, int]]:
    """Cheapest chain (record, identifier, record) from `start` to `goal` over (record, identifier) `pairs`.

    An identifier costs `costs[identifier]`; among equally cheap chains the one with the smaller keys.
    """
    carried: dict[int, list[int]] = {}
    carriers: dict[int, list[int]] = {}
    for record, identifier in sorted(set(pairs)):
        carried.setdefault(record, []).append(identifier)
        carriers.setdefault(identifier, []).append(record)
    came_from: dict[int, tuple[int, int]] = {}
    cost = {start: 0}
    spent: set[int] = set()  # identifiers whose carriers were all reached, at no lower cost again
    queue = [(0, start)]
    while queue:
        so_far, record = heapq.heappop(queue)
        if record == goal:
            return _walk(came_from, start, goal)
        for identifier in carried.get(record, ()):
            if identifier in spent:
                continue
            spent.add(identifier)
            for other in carriers[identifier]:
                if so_far + costs[identifier] < cost.get(other, 1 << 62):
                    cost[other] = so_far + costs[identifier]
                    came_from[other] = (record, identifier)
                    heapq.heappush(queue, (cost[other], other))
    return []


def _walk(came_from: Mapping[int, tuple[int, int]], start: int, goal: int) -> list[tuple[int, int, int]]:
    chain: list[tuple[int, int, int]] = []
    record = goal
    while record != start:
        before, identifier = came_from[record]
        chain.append((before, identifier, record))
        record = before
    return chain[::-1]


def _same_customer(engine: Engine, *records: int) -> None:
    rows = engine.read(
        f"select record_key, customer_id from {engine.qualify('identity', 'customer_record')}"
        f" where record_key in ({', '.join(map(str, records))})"
    )
    found = dict(zip(*(rows.column(name).to_pylist() for name in ("record_key", "customer_id")), strict=True))
    for record in records:
        if record not in found:
            raise ValueError(f"record {record} has no customer")
    if len(set(found.values())) > 1:
        raise ValueError(f"two customers: {', '.join(str(found[record]) for record in records)}")
