"""A simple stand-in for the identity step: records that share a valid identifier are one customer.

Parity is about the SQL; any deterministic assignment does, as long as both engines are given the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from customer360.engines import Engine

_ID = (1 << 53) - 1
NIGHT_FIGURES = {"created": 7, "merged": 2, "split": 1, "retired": 0, "audit_same": 97, "audit_different": 3}


def write_identity(engine: Engine, as_of: datetime) -> None:
    """Fill the engine's schema `identity` from its identity inputs."""
    naive = as_of.replace(tzinfo=None)
    links = engine.read(
        f"select r.record_key, r.record_kind, r.identifier_key, i.identifier_type, i.is_valid"
        f" from {engine.qualify('intermediate', 'int_identity__record_identifier')} as r"
        f" join {engine.qualify('intermediate', 'int_identity__identifier')} as i"
        f" on r.identifier_key = i.identifier_key"
    ).to_pylist()
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def find(node: tuple[str, int]) -> tuple[str, int]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for link in links:
        if link["is_valid"]:
            # The smaller node wins, so that the order of rows does not matter.
            low, high = sorted((find(("i", link["identifier_key"])), find(("r", link["record_key"]))))
            parent[high] = low
    customer_of = {node: find(node)[1] & _ID for node in parent}
    records = {key: customer for (kind, key), customer in customer_of.items() if kind == "r"}
    types = {link["identifier_key"]: link["identifier_type"] for link in links}
    identifiers = {key: customer for (kind, key), customer in customer_of.items() if kind == "i"}
    accounts = {records[link["record_key"]] for link in links if link["record_kind"] == "account"}
    people = {records[x["record_key"]] for x in links if x["is_valid"] and x["record_kind"] != "account"}
    customers = sorted(set(records.values()))
    aliased = customers[:1]
    stamp = pa.timestamp("us")
    engine.write("identity", "customer_record", _table(record_key=_keys(records), customer_id=_keys(records.values())))
    engine.write(
        "identity",
        "customer_identifier",
        _table(
            identifier_key=_keys(identifiers),
            identifier_type=pa.array([types[key] for key in identifiers], pa.string()),
            customer_id=_keys(identifiers.values()),
        ),
    )
    engine.write(
        "identity",
        "identifier_class",
        _table(
            identifier_key=_keys(identifiers),
            identifier_class=pa.array(["private"] * len(identifiers), pa.string()),
            reason=pa.array(["stand-in"] * len(identifiers), pa.string()),
        ),
    )
    engine.write(
        "identity",
        "customer",
        _table(
            customer_id=_keys(customers),
            created_as_of=pa.array([naive] * len(customers), stamp),
            customer_kind=pa.array(
                ["organisation" if c in accounts - people else "person" for c in customers], pa.string()
            ),
        ),
    )
    engine.write(
        "identity",
        "customer_alias",
        _table(
            customer_id_old=_keys([1] * len(aliased)),
            customer_id=_keys(aliased),
            merged_as_of=pa.array([naive] * len(aliased), stamp),
        ),
    )
    engine.write("identity", "uncut", _table(record_key=_keys([5]), identifiers=_keys([9])))
    engine.write(
        "identity",
        "night_figure",
        _table(measure=pa.array(list(NIGHT_FIGURES), pa.string()), figure=_keys(NIGHT_FIGURES.values())),
    )


def _keys(numbers: Iterable[int]) -> pa.Array:
    return pa.array(list(numbers), pa.int64())


def _table(**columns: object) -> pa.Table:
    return pa.table(columns)
