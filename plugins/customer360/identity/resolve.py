"""The identity step: who is the same customer, from tonight's records and the registry.

Computes in DuckDB in this process whatever the engine, so that every engine gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from customer360.engines.base import Engine
from customer360.identity import registry
from customer360.identity.assign import assign
from customer360.identity.classify import classify_all
from customer360.identity.graph import link
from customer360.sources import OwnIdentities

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

INPUTS = {
    "identifiers": "int_identity__identifier",
    "record_identifiers": "int_identity__record_identifier",
    "record_names": "int_identity__record_name",
}


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """What the night found. `classes` counts identifiers by class."""

    customers: int
    created: int
    merged: int
    split: int
    retired: int
    classes: dict[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, Any]:
        names = ("customers", "created", "merged", "split", "retired", "classes")
        return {name: getattr(self, name) for name in names}


def resolve(
    engine: Engine,
    connection: Connection,
    as_of: datetime,
    own: OwnIdentities,
    guard: Callable[[Any], None] | None = None,
) -> IdentityResult:
    """Resolve the night and write engine schema `identity`; the registry follows in one transaction.

    `guard(cursor)` runs just before the registry is written and may raise. A night older than the
    registry's newest is resolved from the registry as it was then, and not written.
    """
    inputs = {
        name: engine.read(f"select * from {engine.qualify('intermediate', table)}") for name, table in INPUTS.items()
    }
    with connection.cursor() as cursor:
        assignments, customers, aliases = registry.before(cursor, as_of)
        tables, changes = resolve_tables(inputs, assignments, customers, aliases, as_of, own)
        if registry.is_newest(cursor, as_of):
            if guard is not None:
                guard(cursor)
            registry.write(cursor, as_of, changes)
    connection.commit()
    for name, rows in tables.items():
        engine.write("identity", name, rows)
    kinds = pc.value_counts(changes["events"].column("kind")).to_pylist()
    events = {each["values"]: each["counts"] for each in kinds}
    classes = pc.value_counts(tables["identifier_class"].column("identifier_class")).to_pylist()
    return IdentityResult(
        customers=tables["customer"].num_rows,
        created=events.get("created", 0),
        merged=events.get("merged", 0),
        split=events.get("split", 0),
        retired=events.get("retired", 0),
        classes={each["values"]: each["counts"] for each in classes},
    )


def resolve_tables(
    inputs: dict[str, pa.Table],
    assignments: pa.Table,
    customers: pa.Table,
    aliases: pa.Table,
    as_of: datetime,
    own: OwnIdentities,
) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """The pure core: (tables of engine schema `identity`, changes for `registry.write`)."""
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        for name, rows in {**inputs, "assignments": assignments, "customers": customers, "aliases": aliases}.items():
            engine.register(name, rows)
        engine.register("classes", classify_all(engine, own))
        engine.register("components", link(engine))
        engine.execute(_ANCHORS)
        changes = assign(engine)
        engine.register("given", changes.pop("ids"))
        engine.register("new_aliases", changes["aliases"])
        engine.execute(_OUTPUT)
        tables = {name: engine.sql(query).to_arrow_table() for name, query in _tables(as_of).items()}
    return tables, changes


# Anchors carry a customer: private identifiers by component; a shared identifier stands for whoever
# of its household called; a contact record without any stands for itself.
_ANCHORS = """
    create or replace temp table anchors as
    select c.identifier_key as anchor, c.component, i.first_seen_at, 'private' as kind
    from components c join identifiers i using (identifier_key);
    create or replace temp table shared_records as
    select r.record_key, min(r.identifier_key) as identifier_key
    from record_identifiers r
    join classes k on r.identifier_key = k.identifier_key and k.identifier_class = 'shared'
    where r.record_kind = 'interaction' and r.record_key not in (
        select record_key from record_identifiers join components using (identifier_key)
    )
    group by 1;
    insert into anchors
    select s.identifier_key, s.identifier_key, min(i.first_seen_at), 'shared'
    from shared_records s join identifiers i using (identifier_key) group by 1, 2;
    insert into anchors
    select n.record_key, n.record_key, min(n.seen_at), 'record'
    from record_names n
    where n.record_kind <> 'interaction' and n.record_key not in (
        select record_key from record_identifiers join components using (identifier_key)
    )
    group by 1, 2
"""
_OUTPUT = """
    create or replace temp table out_identifier as
    select a.anchor as identifier_key, i.identifier_type, g.customer_id
    from anchors a join given g using (component) join identifiers i on a.anchor = i.identifier_key
    where a.kind <> 'record';
    create or replace temp table out_record as
    select record_key, min(customer_id) as customer_id from (
        select r.record_key, o.customer_id
        from record_identifiers r join out_identifier o using (identifier_key)
        join classes k on r.identifier_key = k.identifier_key and k.identifier_class = 'private'
        where r.record_kind <> 'account' or o.identifier_type = 'account_ref'
        union all
        select s.record_key, o.customer_id from shared_records s join out_identifier o using (identifier_key)
        union all
        select a.anchor, g.customer_id from anchors a join given g using (component) where a.kind = 'record'
    ) group by record_key;
    create or replace temp table out_customer as
    select r.customer_id,
        case
            when bool_or(a.kind = 'shared') then 'shared'
            when bool_and(coalesce(k.record_kind, '') = 'account') then 'organisation'
            else 'person'
        end as customer_kind
    from out_record r
    left join (select distinct record_key, record_kind from record_names where record_kind <> 'interaction') k
        using (record_key)
    left join (select distinct g.customer_id, a.kind from anchors a join given g using (component)
        where a.kind = 'shared') a on r.customer_id = a.customer_id
    group by 1
"""


def _tables(as_of: datetime) -> dict[str, str]:
    stamp = f"timestamp '{as_of:%Y-%m-%d %H:%M:%S}'"
    return {
        "customer_identifier": "select * from out_identifier order by identifier_key",
        "customer_record": "select * from out_record order by record_key",
        "identifier_class": "select identifier_key, identifier_class, reason from classes order by identifier_key",
        "customer": f"""
            select o.customer_id, coalesce(make_timestamp(epoch_us(c.created_as_of)), {stamp}) as created_as_of,
                o.customer_kind
            from out_customer o left join customers c using (customer_id) order by 1
        """,
        # Aliases of aliases point to whoever lives.
        "customer_alias": f"""
            with recursive every_alias as (
                select customer_id_old, customer_id, make_timestamp(epoch_us(merged_as_of)) as merged_as_of from aliases
                union all
                select customer_id_old, customer_id, {stamp} from new_aliases
            ),
            chain as (
                select customer_id_old, customer_id, merged_as_of, 1 as steps from every_alias
                union all
                select c.customer_id_old, e.customer_id, c.merged_as_of, c.steps + 1
                from chain c join every_alias e on c.customer_id = e.customer_id_old where c.steps < 1000
            )
            select customer_id_old, customer_id, merged_as_of from (
                select *, row_number() over (partition by customer_id_old order by steps desc) as n from chain
            ) where n = 1 order by 1
        """,
    }
