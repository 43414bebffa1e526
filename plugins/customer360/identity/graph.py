"""Records linked by the private identifiers they share: connected components, guarded.

A component that names several persons is looked at again without the weak identifiers (cookies,
devices), which families share unnoticed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from customer360.identity import names

Keys = npt.NDArray[np.int64]

WEAK_TYPES = ("cookie", "device")
SEVERAL = 2  # persons named in one component before it is looked at again


def components(record_keys: Keys, identifier_keys: Keys) -> tuple[Keys, Keys]:
    """Components of the bipartite graph record – identifier: (distinct identifier keys, their component).

    A component is numbered by its smallest identifier key, so the answer does not depend on row order.
    """
    identifiers, column = np.unique(identifier_keys, return_inverse=True)
    records, row = np.unique(record_keys, return_inverse=True)
    size = len(identifiers) + len(records)
    edges = coo_matrix((np.ones(len(column), np.int8), (column, row + len(identifiers))), shape=(size, size))
    _, label = connected_components(edges, directed=False)
    label = label[: len(identifiers)]
    smallest = np.full(label.max(initial=-1) + 1, np.iinfo(np.int64).max, np.int64)
    np.minimum.at(smallest, label, identifiers)
    return identifiers, smallest[label]


def link(engine: Any) -> pa.Table:
    """(identifier_key, component) of every private identifier.

    `engine` is a DuckDB connection with `identifiers`, `record_identifiers`, `record_names` and
    `classes`. Records of accounts link by their own reference only: an organisation is no person.
    """
    engine.execute(
        """
        create or replace temp table links as
        select r.record_key, r.identifier_key, i.identifier_type
        from record_identifiers r
        join classes c on r.identifier_key = c.identifier_key and c.identifier_class = 'private'
        join identifiers i on r.identifier_key = i.identifier_key
        where r.record_kind <> 'account' or i.identifier_type = 'account_ref'
        """
    )
    first = _linked(engine, "select record_key, identifier_key from links")
    engine.register("first_components", first)
    doubtful = _doubtful(engine)
    if not doubtful:
        return first
    engine.register("doubtful", pa.table({"component": pa.array(doubtful, pa.int64())}))
    weak = ", ".join(f"'{kind}'" for kind in WEAK_TYPES)
    # A weak identifier of a doubtful component stands alone: it no longer ties its records together.
    return _linked(
        engine,
        f"""
        select case when d.component is not null and l.identifier_type in ({weak}) then l.identifier_key
            else l.record_key end as record_key, l.identifier_key
        from links l
        join first_components f using (identifier_key)
        left join doubtful d using (component)
        """,
    )


def _linked(engine: Any, query: str) -> pa.Table:
    edges = engine.sql(query).to_arrow_table()
    if not edges.num_rows:
        return pa.table({"identifier_key": pa.array([], pa.int64()), "component": pa.array([], pa.int64())})
    found, component = components(edges.column("record_key").to_numpy(), edges.column("identifier_key").to_numpy())
    return pa.table({"identifier_key": pa.array(found), "component": pa.array(component)})


def _doubtful(engine: Any) -> list[int]:
    """Components whose contact records name several persons."""
    several = engine.sql(
        """
        select f.component, list(distinct n.name) as names
        from links l
        join first_components f using (identifier_key)
        join (
            select record_key, coalesce(full_name, concat_ws(' ', given_name, family_name)) as name
            from record_names where record_kind <> 'interaction' and record_kind <> 'account'
        ) n on l.record_key = n.record_key
        where n.name <> ''
        group by 1
        having count(distinct n.name) > 1
        """
    ).to_arrow_table()
    pairs = zip(several.column("component").to_pylist(), several.column("names").to_pylist(), strict=True)
    return sorted(component for component, each in pairs if names.persons(map(names.fold, each)) >= SEVERAL)
