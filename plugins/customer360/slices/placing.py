"""What a slice built takes the place of what was there: rows of its records and customers, and sums of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from customer360.engines.base import SLICE, Engine


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
