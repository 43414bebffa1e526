"""The identity step: who is the same customer, from tonight's records and the registry.

Computes in DuckDB in this process whatever the engine, so that every engine gets the same answer; where the
engine is DuckDB, in its own file, and nothing is copied.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from customer360.engines.base import SLICE, Engine
from customer360.identity import alike, carriers, claims, decisions, linkage_model, look, registry, review
from customer360.identity.assign import assign
from customer360.identity.attach import attach
from customer360.identity.classify import CLASSES, classify, companions
from customer360.identity.constraints import constrain, stand_apart
from customer360.identity.graph import link
from customer360.identity.groups import group
from customer360.identity.people import People
from customer360.identity.reunite import reunite
from customer360.linkage.learned import Learned
from customer360.sources import OwnIdentities

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

INPUTS = {
    "identifiers": "int_identity__identifier",
    "record_identifiers": "int_identity__record_identifier",
    "record_names": "int_identity__record_name",
    "record_references": "int_identity__record_reference",
    "record_profiles": "int_identity__record_profile",
}
# Of the night before: profiles, the records of whom tonight's replace, which of these changed, and customers.
HELD = {
    "held_profile": ("identity", "record_profile"),
    "replaced_record": (SLICE + "lake", "looked_record"),
    "changed_record": (SLICE + "lake", "change_record"),
    "held_record": ("identity", "customer_record"),
}
# Which customer a record is of, as `alike.teach` asks: before profiles are compared, and after.
_COMPONENTS = "(select record_key, component as label from record_component)"
_CUSTOMERS = "select record_key, customer_id as label from out_record"
_HELD_CUSTOMERS = """ union all select record_key, customer_id from held_record
    where record_key not in (select record_key from replaced_record)"""
_NEXT = timedelta(microseconds=1)
_STANDING = ("generic", "blocked")


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """What the night found. `classes` counts identifiers by class; `rows_written` the registry's changed rows;
    `linkage_model` is the version that compared profiles, `linkage_cpu_s` what that and learning the next one cost;
    `overruled` counts decisions that newer ones contradict, `asked` pairs that came into the review queue."""

    customers: int
    created: int
    merged: int
    split: int
    retired: int
    rows_written: int
    classes: dict[str, int] = field(default_factory=dict)
    linkage_model: int | None = None
    linkage_cpu_s: float = 0.0
    overruled: int = 0
    asked: int = 0

    def counts(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}


def resolve(
    engine: Engine,
    connection: Connection,
    as_of: datetime,
    own: OwnIdentities,
    guard: Callable[[Any], None] | None = None,
    *,
    is_slice: bool = False,
) -> IdentityResult:
    """Resolve the night and write engine schema `identity`; the registry follows in one transaction.

    `guard(cursor)` runs just before the registry is written and may raise. A night older than the
    registry's newest is resolved from the registry as it was then, and not written. Of a slice (see
    `slices`) only its records are resolved, if there is news of them (see `look`), into the slice's schema; aliases are
    always whole.
    """
    prefix = SLICE if is_slice else ""
    if is_slice:
        relations = look.narrow(engine, INPUTS, own)
        anchors, standing = engine.read(_slice_anchors(engine)), engine.read(_standing(engine))
        relations |= {name: engine.qualify(*at) for name, at in HELD.items()}
    else:
        relations = {name: engine.qualify("intermediate", table) for name, table in INPUTS.items()}
        anchors = standing = None
    with _uncollected(), connection.cursor() as cursor, engine.workspace(relations) as workspace:
        assignments, customers, aliases = registry.before(cursor, as_of, anchors)
        decided = decisions.standing(cursor, as_of)
        given = {"assignments": assignments, "customers": customers, "aliases": aliases, "decisions": decided}
        is_newest = registry.is_newest(cursor, as_of)
        _tie(workspace, given, own, standing)
        begun = time.process_time()
        if is_slice:
            alike.fold_changed(workspace, own)
        else:
            alike.fold(workspace, own, "record_profiles")
        profiles = alike.population(workspace, *(("held_profile", "replaced_record") if is_slice else ()))
        version = linkage_model.effective(cursor, as_of)
        if version is None and is_newest and not is_slice and not customers.num_rows:  # the first night of all
            version = _teach(cursor, workspace, profiles, as_of, _COMPONENTS)
        alike.unite(workspace, None if version is None else linkage_model.load(cursor, version))
        linkage_cpu_s = time.process_time() - begun
        changes = _conclude(workspace)
        del given, assignments, customers
        rows_written = asked = 0
        if is_newest:
            if guard is not None:
                guard(cursor)
            rows_written = registry.write(cursor, as_of, changes)
            asked = review.ask(cursor, workspace, as_of)
            # In force from the next night on: this one has been computed already, perhaps more than once.
            begun = time.process_time()
            _teach(cursor, workspace, profiles, as_of + _NEXT, f"({_CUSTOMERS}{_HELD_CUSTOMERS if is_slice else ''})")
            linkage_cpu_s += time.process_time() - begun
        events = _events(changes)
        _note(workspace, events | review.figures(cursor, as_of))
        connection.commit()
        queries = _tables(as_of)
        for name, query in queries.items():
            engine.keep(workspace, prefix + "identity", name, query)
        engine.keep(workspace, "identity", "night_figure", "from night_figure")
        if is_slice:
            engine.keep(workspace, "identity", "customer_alias", queries["customer_alias"])
            look.stand(engine)
        classes = workspace.sql("select identifier_class, count(*) from classes group by 1 order by 1").fetchall()
        ((customers_found,),) = workspace.sql("select count(*) from out_customer").fetchall()
    return IdentityResult(
        customers=customers_found,
        **events,
        rows_written=rows_written,
        classes=dict(classes),
        linkage_model=version,
        linkage_cpu_s=round(linkage_cpu_s, 2),
        asked=asked,
        overruled=pc.sum(decided["is_overruled"]).as_py() or 0,
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for cycles: names and pairs are millions of objects that live until the end, and have
    none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _events(changes: Mapping[str, pa.Table]) -> dict[str, int]:
    """How many events of each kind the night has."""
    kinds = pc.value_counts(changes["events"].column("kind")).to_pylist()
    return dict.fromkeys(("created", "merged", "split", "retired"), 0) | {
        each["values"]: each["counts"] for each in kinds
    }


def _note(workspace: Any, figures: Mapping[str, int]) -> None:
    """Make the table `night_figure`: of the whole company, whatever was looked at tonight."""
    rows = {"measure": pa.array(figures, pa.string()), "figure": pa.array(figures.values(), pa.int64())}
    workspace.register("night_figure", pa.table(rows))


def _teach(cursor: Any, workspace: Any, profiles: int, from_as_of: datetime, labels: str) -> int | None:
    """A linkage model in force from `from_as_of` on, if `profiles` are enough for another one: its version."""
    newest = linkage_model.newest(cursor)
    if profiles < (alike.GROWTH * newest[1] if newest else alike.FEWEST):
        return None
    learned = alike.teach(workspace, labels)
    return None if learned is None else linkage_model.store(cursor, learned, from_as_of)


def _slice_anchors(engine: Engine) -> str:
    """What may carry the id of a customer who is looked at: its records and their identifiers, before and now."""
    looked = engine.qualify(SLICE + "lake", "looked_record")
    return (
        f"select record_key as anchor from {looked}"
        f" union select identifier_key from {engine.qualify(SLICE + 'intermediate', 'looked_identifiers')}"
        f" union select identifier_key from {engine.qualify('staging', 'stg_lake__identifier')}"
        f" where record_key in (select record_key from {looked})"
    )


def _standing(engine: Engine) -> str:
    """Classes of identifiers that link nobody and whose other records are not looked at."""
    classes = ", ".join(f"'{name}'" for name in _STANDING)
    return f"""
        select c.identifier_key, c.identifier_class, c.reason
        from {engine.qualify("identity", "identifier_class")} as c
        inner join {engine.qualify(SLICE + "intermediate", "looked_identifiers")} as i
            on c.identifier_key = i.identifier_key
        where c.identifier_class in ({classes})
            and c.identifier_key not in (select identifier_key from {engine.qualify(SLICE + "lake", "stirred_hub")})
    """


def resolve_tables(
    inputs: dict[str, pa.Table],
    assignments: pa.Table,
    customers: pa.Table,
    aliases: pa.Table,
    as_of: datetime,
    own: OwnIdentities,
    standing: pa.Table | None = None,
    learned: Learned | None = None,
    decided: pa.Table | None = None,
) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """The pure core: (tables of engine schema `identity`, changes for `registry.write`).

    `inputs` as in INPUTS; `assignments`, `customers` and `aliases` as `registry.before` gives them. The
    order of rows does not matter. `standing`: see `classify`; `learned`: see `alike`; `decided`: as
    `decisions.standing` gives it.
    """
    given = {"assignments": assignments, "customers": customers, "aliases": aliases}
    given["decisions"] = decisions.STANDING.empty_table() if decided is None else decided
    with duckdb.connect() as workspace:
        for name, rows in inputs.items():
            workspace.register(name, rows)
        _tie(workspace, given, own, standing)
        alike.fold(workspace, own, "record_profiles")
        alike.population(workspace)
        alike.unite(workspace, learned)
        changes = _conclude(workspace)
        return {name: workspace.sql(query).to_arrow_table() for name, query in _tables(as_of).items()}, changes


def _tie(workspace: Any, given: Mapping[str, pa.Table], own: OwnIdentities, standing: pa.Table | None) -> None:
    """Components of the records that identifiers tie; `workspace` has the INPUTS."""
    workspace.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    for name, rows in given.items():
        workspace.register(name, rows)
    companions(workspace, CLASSES.empty_table() if standing is None else standing)
    people = People(workspace)
    classify(workspace, own)
    claims.find(workspace)
    carriers.part(workspace, people)
    link(workspace, people)
    reunite(workspace, people)
    constrain(workspace)
    attach(workspace, people)
    stand_apart(workspace)


def _conclude(workspace: Any) -> dict[str, pa.Table]:
    """The changes for `registry.write`; what `_tables` asks for is in `workspace` then."""
    group(workspace)
    changes = assign(workspace)
    workspace.register("given", changes.pop("ids"))
    workspace.register("new_aliases", changes["aliases"])
    workspace.execute(_OUTPUT)
    return changes


_OUTPUT = """
    create or replace temp table out_identifier as
    select a.anchor as identifier_key, i.identifier_type, g.customer_id
    from anchors a join given g using (component) join identifiers i on a.anchor = i.identifier_key
    where a.kind <> 'record';
    create or replace temp table out_record as
    select r.record_key, g.customer_id, r.kind from record_component r join given g using (component);
    create or replace temp table out_customer as
    select g.customer_id,
        case
            when g.customer_id in (select customer_id from out_record where kind = 'shared') then 'shared'
            when n.is_organisation then 'organisation'
            else 'person'
        end as customer_kind
    from given g
    left join (
        select o.customer_id, bool_and(n.record_kind = 'account') as is_organisation
        from out_record o join record_names n on o.record_key = n.record_key and n.record_kind <> 'interaction'
        group by 1
    ) n using (customer_id)
"""


def _tables(as_of: datetime) -> dict[str, str]:
    stamp = f"timestamp '{as_of:%Y-%m-%d %H:%M:%S}'"
    return {
        "customer_identifier": "select * from out_identifier",
        "customer_record": "select record_key, customer_id from out_record",
        "identifier_class": "select identifier_key, identifier_class, reason from classes",
        "record_group": "select record_key, group_key from record_group",
        "node_group": "select node, group_key from node_group",
        "record_profile": "from folded_profile",
        "similarity": "from similarity",
        "uncut": "from uncut",
        "customer": f"""
            select o.customer_id, coalesce(make_timestamp(epoch_us(c.created_as_of)), {stamp}) as created_as_of,
                o.customer_kind
            from out_customer o left join customers c using (customer_id)
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
