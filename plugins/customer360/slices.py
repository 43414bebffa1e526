"""A night's cost follows what changed: only a slice of the customers is built, and takes the place of theirs.

A slice is every record that may end with another customer, or in another row of a mart, than last night:
those of batches that came or went, those whose date has come, and all that are tied to them by an identifier
or a reference. The same models build it, in schemas of its own (`engines.base.SLICE`), and what differs
replaces the rows of the whole marts. Sums over all customers are kept by tallies, to which a slice adds what its rows
change; a mart that reads them is built whole.

The slice is right only where the engine still holds what the night before left. `plan` says whether it does.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.dataset as ds

from customer360.attribution.config import of as attribution_of
from customer360.contracts import lake_schema
from customer360.engines.base import SLICE, Engine, LakeFile
from customer360.identity import alike, decisions, linkage_model
from customer360.identity.classify import BY_VALUE
from customer360.identity.groups import reference_node
from customer360.sources import OwnIdentities

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from customer360.linkage.learned import Learned
    from customer360.settings import Settings
    from customer360.sources import SourcesConfig

_PERSONAL: Final = ("contact_record", "interaction", "opportunity", "opportunity_stage", "sales_order")
# The dates of a row on which something becomes true of it.
_DATES: Final = {
    entity: [
        field.name
        for field in lake_schema(entity)
        if pa.types.is_timestamp(field.type) and field.name != "loaded_as_of"
    ]
    for entity in _PERSONAL
}
# Where the night that loaded a row stands in for a date it does not have.
_UNDATED: Final = {
    "contact_record": "created_at is null and observed_at is null",
    "opportunity": "observed_at is null and (created_at is null"
    " or (closed_at is null and (coalesce(is_closed, false) or coalesce(is_won, false))))",
}
_BATCH: Final = pa.schema(
    [("entity", pa.string()), ("source", pa.string()), ("batch_id", pa.string()), ("path", pa.string())]
)
_STATE: Final = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("fingerprint", pa.string()),
        ("is_complete", pa.bool_()),
        ("publication_id", pa.int64()),
        ("linkage_model", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class State:
    """What the engine holds: the marts of which night, made by what, the publication that shows them, and the
    version of the linkage model that compared profiles."""

    as_of: datetime
    fingerprint: str
    is_complete: bool
    publication_id: int | None
    linkage_model: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`since`: the night that the slice goes on from; None builds everything, because of `reason`. `decided`: pairs of
    records, as `decisions.touched_since`."""

    since: datetime | None
    reason: str
    added: tuple[LakeFile, ...] = ()
    removed: tuple[LakeFile, ...] = ()
    decided: pa.Table = field(default_factory=decisions.PAIRS.empty_table, compare=False)


@dataclass(frozen=True, slots=True)
class Sliced:
    """A relation of which a slice is replaced: by `column`, whose values are records or customers."""

    schema: str
    name: str
    column: str
    key: tuple[str, ...]  # of a published mart; empty: rows are replaced without looking at them
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A relation of sums by group, to which a slice adds what it changes. `rows`: the column that counts the rows of
    a group; a group without any is gone."""

    schema: str
    name: str
    by: tuple[str, ...]
    rows: str


# State --------------------------------------------------------------------------------------------


def read_state(engine: Engine) -> State | None:
    """What the engine says it holds; None if nothing."""
    if not engine.has("lake", "night_state"):
        return None
    found = engine.read(f"select * from {engine.qualify('lake', 'night_state')}").to_pylist()
    if len(found) != 1:
        return None
    (row,) = found
    return State(**(row | {"as_of": row["as_of"].replace(tzinfo=UTC)}))


def write_state(engine: Engine, state: State) -> None:
    row = {"as_of": state.as_of.astimezone(UTC).replace(tzinfo=None)}
    row |= {name: getattr(state, name) for name in _STATE.names if name != "as_of"}
    engine.write("lake", "night_state", pa.Table.from_pylist([row], schema=_STATE))


def write_batches(engine: Engine, files: Sequence[LakeFile]) -> None:
    """Note which batches the engine's marts are made of."""
    rows = [{name: getattr(file, name) for name in _BATCH.names} for file in files]
    engine.write("lake", "night_batch", pa.Table.from_pylist(rows, schema=_BATCH))


def fingerprint(settings: Settings, config: SourcesConfig, as_of: datetime) -> str:
    """Names everything but data that the marts depend on: models, seeds and which of their dated rules hold in the
    night, identity rules, the company."""
    package, project = Path(__file__).parent, settings.home / "dbt_project"
    made_by = {
        project: ("*.yml", *(f"{folder}/**/*.*" for folder in ("macros", "models", "seeds"))),
        package: ("identity/**/*.py", "identity/**/*.csv", "linkage/*.py", "contracts.py", "slices.py"),
    }
    mark = hashlib.sha256()
    for folder, patterns in made_by.items():
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
            mark.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    own = {name: sorted(getattr(config.own, name)) for name in ("domains", "emails", "phones", "phone_prefixes")}
    held = _rules_tonight(project / "seeds", as_of.astimezone(config.timezone).date())
    credited = attribution_of(settings).as_vars()
    company = [own, str(config.timezone), config.currency, settings.lifecycle_rules, held, credited, duckdb.__version__]
    mark.update(json.dumps(company).encode())
    return mark.hexdigest()[:32]


def _rules_tonight(seeds: Path, night: date) -> list[list[str]]:
    """Rows of the seeds of dated rules that hold on the night's date: on the day that one begins or ends, every
    customer may stand otherwise. The same as macro `rules_tonight` finds."""
    found = []
    for path in sorted(seeds.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if {"valid_from", "valid_to"} <= set(rows.fieldnames or ()):
                found += [[path.stem, *row.values()] for row in rows if _holds(row, night)]
    return found


def _holds(rule: Mapping[str, str], night: date) -> bool:
    begins, ends = (date.fromisoformat(rule[name]) if rule[name] else None for name in ("valid_from", "valid_to"))
    return (begins is None or begins <= night) and (ends is None or night < ends)


def plan(engine: Engine, connection: Connection, files: Sequence[LakeFile], as_of: datetime, mark: str) -> Plan:
    """Whether the night can go on from what the engine holds, and which batches came and went since."""
    state = read_state(engine)
    if state is None:
        return Plan(None, "the engine is empty")
    if not state.is_complete:
        return Plan(None, "the last night on this engine was not finished")
    if state.fingerprint != mark:
        return Plan(None, "models, rules or the company's own identities changed")
    if state.as_of >= as_of:  # again the same night: ids are those before it, also of customers outside the slice
        return Plan(None, "the engine holds this night already, or a later one")
    with connection.cursor() as cursor:
        cursor.execute("select greatest(max(from_as_of), max(to_as_of)) from ops.identity_assignment")
        (newest,) = cursor.fetchone() or (None,)
        model = linkage_model.effective(cursor, as_of)
        decided = decisions.touched_since(cursor, state.as_of, as_of)
    if newest is not None and newest > state.as_of:
        return Plan(None, "customer ids were given by a later night than the engine's")
    if model != state.linkage_model:
        return Plan(None, "profiles are compared by another linkage model")
    held = {
        LakeFile(**row) for row in engine.read(f"select * from {engine.qualify('lake', 'night_batch')}").to_pylist()
    }
    active = set(files)
    removed = sorted(held - active, key=lambda file: file.path)
    if not all(_exists(file.path) for file in removed):
        return Plan(None, "a batch that went is no longer in the lake")
    added = sorted(active - held, key=lambda file: file.path)
    return Plan(state.as_of, "", tuple(added), tuple(removed), decided)


def _exists(path: str) -> bool:
    filesystem, local = fsspec.core.url_to_fs(path)
    return bool(filesystem.exists(local))


# The slice ----------------------------------------------------------------------------------------


def open_slice(engine: Engine, found: Plan, as_of: datetime, own: OwnIdentities, learned: Learned | None = None) -> int:
    """Make schema `night_lake` show the slice's part of the lake; the number of its records. `learned`: by which
    profiles are compared.

    Tables of that schema: `universe` (record_key), and what it was found from.
    """
    if found.since is None:
        raise ValueError("a slice goes on from a night")
    for name in ("lake", "staging", "intermediate", "identity", "marts"):
        engine.clear(SLICE + name)
    night = SLICE + "lake"
    changes = _changes(engine, found, as_of)
    for name, rows in changes.items():
        engine.write(night, name, rows)
    mentioned = _distinct(found.decided.column(name) for name in ("record_key_a", "record_key_b"))
    engine.write(night, "decided_record", pa.table({"record_key": mentioned}))
    engine.define(night, "hub", _hubs(engine))
    engine.define(
        night,
        "hub_record",
        f"select i.record_key from {engine.qualify('staging', 'stg_lake__identifier')} as i"
        f" inner join {engine.qualify(night, 'hub')} as h on i.identifier_key = h.identifier_key",
    )
    engine.write(night, "similar_record", _similar(engine, own, learned))
    engine.define(night, "touched_group", _groups(engine, found.since, as_of))
    engine.define(
        night,
        "universe",
        f"select record_key from {engine.qualify(night, 'change_record')}"
        f" union select record_key from {engine.qualify(night, 'similar_record')}"
        f" union select record_key from {engine.qualify(night, 'hub_record')}"
        f" union select g.record_key from {engine.qualify('identity', 'record_group')} as g"
        f" inner join {engine.qualify(night, 'touched_group')} as t on g.group_key = t.group_key",
    )
    universe = engine.qualify(night, "universe")
    for entity in (*_PERSONAL, "identifier"):
        lake = engine.qualify("lake", entity)
        engine.define(night, entity, f"select * from {lake} where record_key in (select record_key from {universe})")
    return int(engine.read(f"select count(*) as n from {universe}").column("n")[0].as_py())


def _changes(engine: Engine, found: Plan, as_of: datetime) -> dict[str, pa.Table]:
    """`change_record` (record_key) and `change_node` (node, is_kept_invalid): of batches that came or went, of rows
    whose date came since the night before, and of what records in batches that went still say elsewhere; records
    about which somebody decided since, and those that a decision ties to a changed one."""
    files = (*found.added, *found.removed)
    if found.removed:
        went = [_rows(entity, found.removed).column("record_key") for entity in _PERSONAL]
        engine.write(SLICE + "lake", "withdrawn", pa.table({"record_key": _distinct(went)}))
    with duckdb.connect() as local:
        for entity in (*_PERSONAL, "identifier"):
            local.register(f"batch_{entity}", _rows(entity, files))
        due = {entity: engine.read(_due(engine, entity, found, as_of)) for entity in _PERSONAL}
        for entity, rows in {**due, "identifier": _identifiers(engine, due.values())}.items():
            local.register(f"due_{entity}", rows)
            columns = ", ".join(rows.column_names)
            both = (f"select {columns} from {when}_{entity}" for when in ("batch", "due"))
            local.execute(f"create view {entity} as {' union all '.join(both)}")
        records = " union ".join(f"select record_key from {entity}" for entity in (*_PERSONAL, "identifier"))
        local.register("decided", found.decided)
        gone = ", ".join(f"'{file.batch_id}'" for file in found.removed) or "''"
        local.execute(
            f"create view gone as select distinct identifier_key from batch_identifier where batch_id in ({gone})"
        )
        return {
            "change_record": local.sql(_DECIDED.format(records=records)).to_arrow_table(),
            "change_node": local.sql(_NODES).to_arrow_table(),
        }


# A record that comes back finds the decisions about it.
_DECIDED: Final = """
    with changed as ({records})
    select record_key from changed
    union select unnest([record_key_a, record_key_b]) from decided
    where is_new
        or record_key_a in (select record_key from changed) or record_key_b in (select record_key from changed)
"""
# An identifier that was no valid one stays none, whoever else uses it too.
_NODES: Final = f"""
    select identifier_key as node,
        not bool_or(is_valid) and identifier_key not in (select identifier_key from gone) as is_kept_invalid
    from identifier group by 1
    union
    select {reference_node("reference")}, false from (
        select 'account ' || account_ref as reference from contact_record where account_ref is not null
        union all select 'account ' || identifier_value from identifier where identifier_type = 'account_ref'
        union all select 'account ' || account_ref from opportunity where account_ref is not null
        union all select 'account ' || contact_ref from opportunity where contact_ref is not null
        union all select 'opportunity ' || source || ' ' || source_record_id from opportunity
        union all select 'account ' || account_ref from sales_order where account_ref is not null
        union all select 'account ' || contact_ref from sales_order where contact_ref is not null
        union all select 'opportunity ' || source || ' ' || opportunity_ref from sales_order
        where opportunity_ref is not null
    )
"""
_READ: Final = {
    "contact_record": ("record_key", "account_ref"),
    "interaction": ("record_key",),
    "identifier": ("record_key", "identifier_key", "identifier_type", "identifier_value", "is_valid", "batch_id"),
    "opportunity": ("record_key", "source", "source_record_id", "account_ref", "contact_ref"),
    "opportunity_stage": ("record_key",),
    "sales_order": ("record_key", "source", "account_ref", "contact_ref", "opportunity_ref"),
}


def _rows(entity: str, files: Sequence[LakeFile]) -> pa.Table:
    """What `_changes` looks at, of the files of one entity."""
    schema = lake_schema(entity)
    wanted = pa.schema([schema.field(name) for name in _READ[entity]])
    tables = [wanted.empty_table()]
    for file in files:
        if file.entity == entity:
            filesystem, path = fsspec.core.url_to_fs(file.path)
            rows = ds.dataset([path], schema=schema, filesystem=filesystem, format="parquet")
            tables.append(rows.to_table(columns=wanted.names))
    return pa.concat_tables(tables)


def _distinct(keys: Iterable[pa.ChunkedArray]) -> pa.Array:
    return pa.chunked_array([chunk for each in keys for chunk in each.chunks], pa.int64()).unique()


def _identifiers(engine: Engine, due: Iterable[pa.Table]) -> pa.Table:
    """What `_changes` looks at, of the identifiers of records that are due."""
    keys = _distinct(rows.column("record_key") for rows in due)
    columns = [name for name in _READ["identifier"] if name != "batch_id"]
    if not len(keys):
        schema = lake_schema("identifier")
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    engine.write(SLICE + "lake", "due", pa.table({"record_key": keys}))
    return engine.read(
        f"select {', '.join(columns)} from {engine.qualify('lake', 'identifier')}"
        f" where record_key in (select record_key from {engine.qualify(SLICE + 'lake', 'due')})"
    )


def _due(engine: Engine, entity: str, found: Plan, as_of: datetime) -> str:
    """Rows of which a date has come since the night before, but for those that came with it; and other versions
    of what went."""
    window = f"between {_stamp(found.since or as_of)} and {_stamp(as_of)}"
    came = ", ".join(sorted({f"'{file.source} {file.batch_id}'" for file in found.added})) or "''"
    withdrawn = engine.qualify(SLICE + "lake", "withdrawn")
    dated = [f"{name} {window}" for name in _DATES[entity]]
    if entity in _UNDATED:
        dated.append(f"loaded_as_of {window} and {_UNDATED[entity]}")
    columns = [name for name in _READ[entity] if name != "batch_id"]
    rows = f"select {', '.join(columns)} from {engine.qualify('lake', entity)}"
    query = f"{rows} where (({') or ('.join(dated)})) and source || ' ' || batch_id not in ({came})"
    if found.removed:
        query += f" union all {rows} where record_key in (select record_key from {withdrawn})"
    return query


def _similar(engine: Engine, own: OwnIdentities, learned: Learned | None) -> pa.Table:
    """Records whose profiles may be one person's with a changed one's (see `alike.similar`)."""
    if learned is None:
        return pa.schema([("record_key", pa.int64())]).empty_table()
    night = SLICE + "lake"
    changed = f"select record_key from {engine.qualify(night, 'change_record')}"
    engine.define(
        night,
        "changed_profile",
        f"""
        select c.record_key, c.given_name, c.family_name, c.full_name, c.birth_date, c.address_line, c.postal_code,
            c.city, c.region, c.organisation, i.email, i.phone
        from {engine.qualify("lake", "contact_record")} as c
        left join (
            select record_key, batch_id, row_number,
                min(case when identifier_type = 'email' then identifier_value end) as email,
                min(case when identifier_type = 'phone' then identifier_value end) as phone
            from {engine.qualify("lake", "identifier")}
            where is_valid and record_key in ({changed})
            group by record_key, batch_id, row_number
        ) as i on c.record_key = i.record_key and c.batch_id = i.batch_id and c.row_number = i.row_number
        where c.record_kind <> 'account' and c.record_key in ({changed})
        """,
    )
    relations = {
        "changed_profile": engine.qualify(night, "changed_profile"),
        "held_profile": engine.qualify("identity", "record_profile"),
    }
    with engine.workspace(relations) as workspace:
        return alike.similar(workspace, own, learned)


def _hubs(engine: Engine) -> str:
    """Identifiers that link nobody but may do so from tonight on: all their records are looked at again."""
    values = ", ".join(f"'{reason}'" for reason in BY_VALUE)
    return (
        f"select c.identifier_key from {engine.qualify('identity', 'identifier_class')} as c"
        f" inner join {engine.qualify(SLICE + 'lake', 'change_node')} as n on c.identifier_key = n.node"
        f" where c.identifier_class in ('generic', 'blocked') and c.reason not in ({values})"
        " and not (c.reason = 'invalid' and n.is_kept_invalid)"
    )


def _groups(engine: Engine, since: datetime, as_of: datetime) -> str:
    """Groups of records that are tied to what changed, or hold a customer who falls dormant tonight."""

    def name(schema: str, table: str) -> str:
        return engine.qualify(schema, table)

    night = SLICE + "lake"
    return f"""
        select g.group_key from {name("identity", "record_group")} as g
        inner join {name(night, "change_record")} as c on g.record_key = c.record_key
        union
        select g.group_key from {name("identity", "record_group")} as g
        inner join {name(night, "similar_record")} as s on g.record_key = s.record_key
        union
        select g.group_key from {name("identity", "node_group")} as g
        inner join {name(night, "change_node")} as n on g.node = n.node
        union
        select g.group_key from {name("identity", "record_group")} as g
        inner join {name(night, "hub_record")} as h on g.record_key = h.record_key
        union
        select g.group_key from {name("identity", "record_group")} as g
        inner join {name("identity", "customer_record")} as r on g.record_key = r.record_key
        inner join {name("marts", "lifecycle_current")} as l on r.customer_id = l.customer_id
        where l.dormant_from > {_stamp(since)} and l.dormant_from <= {_stamp(as_of)}
    """


def _stamp(moment: datetime) -> str:
    return f"timestamp '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


# What takes the place of what ----------------------------------------------------------------------


def sliced(manifest: Path) -> list[Sliced]:
    """Models with `meta.slice`, by name."""
    found = []
    for node, schema, meta in _models(manifest):
        if "slice" in meta:
            key = tuple(meta.get("key", ()))
            columns = tuple(each["name"] for each in node["columns"].values()) if key else ()
            found.append(Sliced(schema, node["name"], meta["slice"], key, columns))
    return sorted(found, key=lambda each: each.name)


def tallies(manifest: Path) -> list[Tally]:
    """Models with `meta.tally`, by name."""
    found = []
    for node, schema, meta in _models(manifest):
        if "tally" in meta:
            found.append(Tally(schema, node["name"], tuple(meta["tally"]["by"]), meta["tally"]["rows"]))
    return sorted(found, key=lambda each: each.name)


def _models(manifest: Path) -> Iterable[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Each model with its schema, as the engine calls it, and its meta."""
    for node in json.loads(manifest.read_text("utf-8"))["nodes"].values():
        if node["resource_type"] == "model":
            yield node, node["schema"].removeprefix("c360_").removeprefix(SLICE), node["config"].get("meta", {})


def touch(engine: Engine) -> None:
    """Note whose rows the slice takes the place of, before any of them goes."""
    if not engine.has(SLICE + "lake", "touched_customer"):
        engine.define(SLICE + "lake", "touched_customer", _touched_customers(engine))


def add(engine: Engine, counted: Sequence[Tally]) -> None:
    """Add to tallies what the slice changes. May not be done twice: after a try that was cut short they are counted
    anew."""
    for tally in counted:
        whole, tonight = (engine.qualify(prefix + tally.schema, tally.name) for prefix in ("", SLICE))
        names = engine.read(f"select * from {whole} where 1 = 0").column_names
        sums = [f"sum({name}) as {name}" for name in names if name not in tally.by]
        by, columns = ", ".join(tally.by), ", ".join(names)
        engine.define(
            SLICE + tally.schema,
            f"{tally.name}__sum",
            f"select {by}, {', '.join(sums)}"
            f" from (select {columns} from {whole} union all select {columns} from {tonight}) as both_sides"
            f" group by {by} having sum({tally.rows}) <> 0",
        )
        engine.run(f"delete from {whole} where 1 = 1")
        summed = engine.qualify(SLICE + tally.schema, f"{tally.name}__sum")
        engine.run(f"insert into {whole} ({columns}) select {columns} from {summed}")


def merge(engine: Engine, relations: Sequence[Sliced]) -> bool:
    """Put the slice in place, after `touch`. `<mart>__changed` and `<mart>__gone` in the slice's schema then say which
    rows of a mart were put in, and the keys of those that were taken out for good.

    May be tried again after it was killed anywhere; then these are only a part of it, and False is returned.
    """
    is_first_try = not engine.has(SLICE + "lake", "left_identifier")
    if is_first_try:  # what the slice replaces, found before anything is replaced
        engine.define(SLICE + "lake", "replaced_group", _replaced_groups(engine))
        engine.define(SLICE + "lake", "left_identifier", _left_identifiers(engine))
    for relation in relations:
        if relation.key:
            _replace_changed(engine, relation)
        else:
            _replace_all(engine, relation)
    _merge_identity(engine)
    return is_first_try


def _replaced_groups(engine: Engine) -> str:
    """Groups of the slice as they were, and as they are: a second try takes out what the first put in."""
    night = SLICE + "lake"
    return (
        f"select group_key from {engine.qualify('identity', 'record_group')}"
        f" where record_key in (select record_key from {engine.qualify(night, 'universe')})"
        f" union select group_key from {engine.qualify(night, 'touched_group')}"
        f" union select group_key from {engine.qualify(SLICE + 'identity', 'node_group')}"
    )


def _left_identifiers(engine: Engine) -> str:
    """Identifiers of changed records that no record carries any more."""
    night = SLICE + "lake"
    carried = engine.qualify("staging", "stg_lake__identifier")
    changed = f"select record_key from {engine.qualify(night, 'change_record')}"
    return (
        f"with lost as (select identifier_key from {carried} where record_key in ({changed})"
        f" except select identifier_key from {engine.qualify(SLICE + 'staging', 'stg_lake__identifier')})"
        f" select identifier_key from lost except select identifier_key from {carried}"
        f" where identifier_key in (select identifier_key from lost)"
        f" and record_key not in (select record_key from {engine.qualify(night, 'universe')})"
    )


def _touched_customers(engine: Engine) -> str:
    return (
        f"select customer_id from {engine.qualify('identity', 'customer_record')}"
        f" where record_key in (select record_key from {engine.qualify(SLICE + 'lake', 'universe')})"
        f" union select customer_id from {engine.qualify(SLICE + 'identity', 'customer')}"
    )


def rows(engine: Engine, mart: str, is_delta: bool) -> pa.Table:
    """Rows of a mart: all, or those that `merge` put in."""
    real = engine.qualify(SLICE + "marts", f"{mart}__changed") if is_delta else engine.qualify("marts", mart)
    return engine.read(f"select * from {real}")


def gone(engine: Engine, relations: Sequence[Sliced]) -> dict[str, pa.Table]:
    """{mart: keys of the rows that `merge` took out for good}."""
    return {
        each.name: engine.read(f"select * from {engine.qualify(SLICE + each.schema, each.name + '__gone')}")
        for each in relations
        if each.key
    }


def _replace_all(engine: Engine, relation: Sliced) -> None:
    target = engine.qualify(relation.schema, relation.name)
    engine.run(f"delete from {target} where {relation.column} in {_touched(engine, relation)}")
    engine.run(f"insert into {target} select * from {engine.qualify(SLICE + relation.schema, relation.name)}")


def _replace_changed(engine: Engine, mart: Sliced) -> None:
    night = SLICE + mart.schema
    whole, tonight = engine.qualify(mart.schema, mart.name), engine.qualify(night, mart.name)
    columns, keys = ", ".join(mart.columns), ", ".join(f"m.{name}" for name in mart.key)
    touched = _touched(engine, mart)
    engine.define(
        night,
        f"{mart.name}__changed",
        f"select {columns} from {tonight} except select {columns} from {whole} where {mart.column} in {touched}",
    )
    engine.define(
        night,
        f"{mart.name}__gone",
        f"select {keys} from {whole} as m where m.{mart.column} in {touched}"
        f" and not exists (select 1 from {tonight} as n where {_same(mart.key, 'n', 'm')})",
    )
    for what in ("changed", "gone"):
        engine.delete_matching(whole, engine.qualify(night, f"{mart.name}__{what}"), mart.key)
    changed = engine.qualify(night, f"{mart.name}__changed")
    engine.run(f"insert into {whole} ({columns}) select {columns} from {changed}")


def _touched(engine: Engine, relation: Sliced) -> str:
    """The records or customers of whom the relation's rows are replaced."""
    if relation.column == "customer_id":
        return f"(select customer_id from {engine.qualify(SLICE + 'lake', 'touched_customer')})"
    return f"(select record_key from {engine.qualify(SLICE + 'lake', 'universe')})"


def _same(key: Sequence[str], a: str, b: str) -> str:
    return " and ".join(f"{a}.{name} = {b}.{name}" for name in key)


def _merge_identity(engine: Engine) -> None:
    night = SLICE + "identity"
    universe = f"select record_key from {engine.qualify(SLICE + 'lake', 'universe')}"
    customers = f"select customer_id from {engine.qualify(SLICE + 'lake', 'touched_customer')}"
    replaced = {
        "node_group": ("group_key", f"select group_key from {engine.qualify(SLICE + 'lake', 'replaced_group')}"),
        "record_group": ("record_key", universe),
        "customer_record": ("record_key", universe),
        "record_profile": ("record_key", universe),
        "similarity": ("record_key_a", universe),
        "uncut": ("record_key", universe),
        "customer_identifier": ("customer_id", customers),
        "customer": ("customer_id", customers),
        "identifier_class": (
            "identifier_key",
            f"select identifier_key from {engine.qualify(night, 'identifier_class')}"
            f" union select identifier_key from {engine.qualify(SLICE + 'lake', 'left_identifier')}",
        ),
    }
    for name, (column, touched) in replaced.items():
        target = engine.qualify("identity", name)
        engine.run(f"delete from {target} where {column} in ({touched})")
        engine.run(f"insert into {target} select * from {engine.qualify(night, name)}")
