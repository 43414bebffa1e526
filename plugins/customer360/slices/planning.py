"""Whether a night can go on from what the engine holds, and which batches came and went since."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import fsspec
import pyarrow as pa

from customer360.attribution.config import of as attribution_of
from customer360.engines.base import Engine, LakeFile
from customer360.identity import decisions, linkage_model
from customer360.slices.state import read_state

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from customer360.settings import Settings
    from customer360.sources import SourcesConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """`since`: the night that the slice goes on from; None builds everything, because of `reason`. `decided`: pairs of
    records, as `decisions.touched_since`."""

    since: datetime | None
    reason: str
    added: tuple[LakeFile, ...] = ()
    removed: tuple[LakeFile, ...] = ()
    decided: pa.Table = field(default_factory=decisions.PAIRS.empty_table, compare=False)


def fingerprint(settings: Settings, config: SourcesConfig, as_of: datetime) -> str:
    """Names everything but data that the marts depend on: models, seeds and which of their dated rules hold in the
    night, identity rules, the company."""
    package, project = Path(__file__).parents[1], settings.home / "dbt_project"
    made_by = {
        project: ("*.yml", *(f"{folder}/**/*.*" for folder in ("macros", "models", "seeds"))),
        package: ("identity/**/*.py", "identity/**/*.csv", "linkage/*.py", "contracts.py", "slices/*.py"),
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
