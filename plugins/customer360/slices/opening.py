"""Which records may end otherwise than last night, and schema `night_lake` that shows them alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.dataset as ds

from customer360.contracts import lake_schema
from customer360.engines.base import SLICE, Engine, LakeFile
from customer360.identity import alike
from customer360.identity.classify import BY_VALUE
from customer360.identity.groups import reference_node
from customer360.slices.planning import Plan
from customer360.sources import OwnIdentities

if TYPE_CHECKING:
    from customer360.linkage.learned import Learned

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
        f"{_touched(engine)} union select g.record_key from {engine.qualify('identity', 'record_group')} as g"
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


def _touched(engine: Engine) -> str:
    """Records that changed, are like a changed one, or carry a hub."""
    found = ("change_record", "similar_record", "hub_record")
    return " union ".join(f"select record_key from {engine.qualify(SLICE + 'lake', table)}" for table in found)


def _groups(engine: Engine, since: datetime, as_of: datetime) -> str:
    """Groups of records that are tied to what changed, or hold a customer who falls dormant tonight."""

    def name(schema: str, table: str) -> str:
        return engine.qualify(schema, table)

    night = SLICE + "lake"
    return f"""
        select g.group_key from {name("identity", "record_group")} as g
        inner join ({_touched(engine)}) as t on g.record_key = t.record_key
        union
        select g.group_key from {name("identity", "node_group")} as g
        inner join {name(night, "change_node")} as n on g.node = n.node
        union
        select g.group_key from {name("identity", "record_group")} as g
        inner join {name("identity", "customer_record")} as r on g.record_key = r.record_key
        inner join {name("marts", "lifecycle_current")} as l on r.customer_id = l.customer_id
        where l.dormant_from > {_stamp(since)} and l.dormant_from <= {_stamp(as_of)}
    """


def _stamp(moment: datetime) -> str:
    return f"timestamp '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
