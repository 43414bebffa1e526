"""A night that builds a slice gives what building everything gives: row for row, on each engine, night after night."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from customer360 import nightly, postgres
from customer360.dbt_runner import manifest_path
from customer360.engines import open_engine
from customer360.publish import publication
from customer360.publish.marts import published_marts
from customer360.settings import Settings
from customer360.slices.placing import tallies
from restated import moves, unexplained
from slices.company import Company
from slices.taught import teach

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
SOURCES = """
version: 1
company: {timezone: UTC, currency: EUR, phone_region: DE}
defaults: {timezone: UTC}
sources:
  crm: {connector: mapped, location: none/*, mapping: {record_id: a, contact_record: {}, identifiers: [{type: email, column: b}]}}
"""
Rows = Counter[tuple[Any, ...]]


def build(as_of: datetime) -> dict[str, Any]:
    """The night up to its marts."""
    night = nightly.begin(as_of, "test")
    for step in (nightly.stage, nightly.identify, nightly.transform):
        night = step(night)
    return night


def serve(settings: Settings, night: dict[str, Any]) -> dict[str, Any]:
    """Publish the night without asking anybody; the changes of its candidate."""
    night = nightly.propose(night)
    with postgres.connect(settings, application_name="test") as connection:
        run = nightly._attempt(connection, night)
        publication.record_gate(connection, run, night["publication_id"], "pass", "")
        publication.publish(connection, run, night["publication_id"])
    return night


def marts(settings: Settings, schema: str | None = None) -> dict[str, Rows]:
    """Rows of every mart in the engine, or in a schema of serving."""
    found: dict[str, Rows] = {}
    built = [mart for mart in published_marts(manifest_path(settings)) if not mart.is_appended]
    names = {mart.name: [column.name for column in mart.columns] for mart in built}
    if schema:
        with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
            for name, columns in names.items():
                cursor.execute(f"select {', '.join(columns)} from {schema}.{name}")
                found[name] = Counter(cursor.fetchall())
        return found
    with open_engine(settings) as engine:
        for name, columns in names.items():
            rows = engine.read(f"select {', '.join(columns)} from {engine.qualify('marts', name)}")
            found[name] = _rows(rows)
    return found


def tallied(settings: Settings) -> dict[str, Rows]:
    """Rows of every tally in the engine."""
    with open_engine(settings) as engine:
        return {
            each.name: _rows(engine.read(f"select * from {engine.qualify(each.schema, each.name)}"))
            for each in tallies(manifest_path(settings))
        }


def _rows(table: pa.Table) -> Rows:
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


def differing(one: dict[str, Rows], other: dict[str, Rows]) -> dict[str, int]:
    assert one.keys() == other.keys()
    counted = {name: ((one[name] - other[name]) + (other[name] - one[name])).total() for name in one}
    return {name: count for name, count in counted.items() if count}


@pytest.mark.parametrize(
    ("engine", "seed", "nights"),
    [
        ("duckdb", 4, 3),  # a batch that goes brings an older version to light
        pytest.param("duckdb", 1, 4, marks=pytest.mark.slow),
        pytest.param("postgres", 2, 3, marks=pytest.mark.slow),
        pytest.param("duckdb", 3, 6, marks=pytest.mark.slow),
        pytest.param("spark", 4, 3, marks=[pytest.mark.spark, pytest.mark.timeout(2400)]),
    ],
)
def test_a_slice_gives_what_everything_gives(
    engine: str,
    seed: int,
    nights: int,
    settings: Settings,
    whole: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    url = request.getfixturevalue("spark_settings").engine_url if engine == "spark" else None
    settings = replace(settings, engine=engine, engine_url=url)
    settings.sources.write_text(SOURCES, "utf-8")
    company = Company(Path(settings.lake), seed)
    teach(settings, FIRST)
    sliced = united = quiet = stood = restated = 0
    for number in range(nights):
        # The last night is at another time of day, as where the clock was put on: days in a stage begin at it.
        as_of = FIRST + timedelta(days=number, hours=number == nights - 1)
        with postgres.connect(settings, application_name="test") as connection:
            company.night(connection, as_of, 160 if number == 0 else 12)
        _use(settings, monkeypatch)
        night = serve(settings, build(as_of))
        sliced += night["is_slice"]
        if night["is_slice"]:
            quiet += _count(settings, "quiet_record")
            stood += _count(settings, "hub") - _count(settings, "stirred_hub")
        found, sums = marts(settings), tallied(settings)
        assert found["customer_360"], "nothing was built"
        assert sums["int_lifecycle__stay"], "nothing was counted"
        assert not differing(found, marts(settings, "serving")), "what is served is not what was built"
        with postgres.connect(settings, application_name="test") as connection:
            assert not unexplained(connection, night["publication_id"]) or number == 0
            told = moves(connection, night["publication_id"])
        assert "unexplained" not in {row["cause"] for row in told}
        restated += len({row["cause"] for row in told} - {"new_conversion", "journeys_changed", "rounding"})
        if not night["is_slice"]:  # it is what everything gives
            continue
        _use(whole, monkeypatch)
        again = build(as_of)
        assert not again["is_slice"]
        assert again["identity"]["rows_written"] == 0, "everything gives other customer ids than the slice"
        other = marts(whole)
        differ = differing(found, other)
        assert not differ, (number, {name: (found[name] - other[name], other[name] - found[name]) for name in differ})
        assert not differing(sums, tallied(whole)), number
        with open_engine(whole) as opened:
            united += opened.read("select count(*) as n from identity.similarity where is_link").column("n")[0].as_py()
            opened.reset()
    assert sliced == nights - 1
    assert united, "nobody was united by their profile"
    assert restated, "no credit moved"
    assert quiet, "identity looked at every record that came"
    assert stood, "identity looked at every hub that was used"


def _count(settings: Settings, table: str) -> int:
    """Rows of a table of the slice."""
    with open_engine(settings) as engine:
        found = engine.read(f"select count(*) as n from {engine.qualify('night_lake', table)}")
    return int(found.column("n")[0].as_py())


def _use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_LOCAL", str(settings.local))
    monkeypatch.setenv("C360_ENGINE", settings.engine)
    monkeypatch.setenv("C360_ENGINE_URL", settings.engine_url or "")


KILLED = """
import json, os, signal, sys
from customer360 import nightly
from customer360.engines.duckdb import DuckDBEngine

schema, left = sys.argv[2], int(sys.argv[3])
run = DuckDBEngine.run


def counted(engine, sql):
    global left
    run(engine, sql)
    left -= f" {schema}." in sql.partition(" where ")[0]
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)


DuckDBEngine.run = counted
nightly.transform(json.loads(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("schema", "statements"),
    [
        ("marts", 9),
        pytest.param("marts", 1, marks=pytest.mark.slow),
        pytest.param("identity", 5, marks=pytest.mark.slow),
        pytest.param("intermediate", 13, marks=pytest.mark.slow),
    ],
)
def test_a_slice_killed_while_it_takes_its_place_is_finished_by_the_next_try(
    schema: str, statements: int, settings: Settings, whole: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many statements on a schema: a mart or some are of tonight, or all and identity in part, or all and
    two tallies, while the third is empty."""
    settings.sources.write_text(SOURCES, "utf-8")
    company = Company(Path(settings.lake), 7)
    for as_of, records in ((FIRST, 60), (FIRST + timedelta(days=1), 20)):
        with postgres.connect(settings, application_name="test") as connection:
            company.night(connection, as_of, records)
        if as_of == FIRST:
            serve(settings, build(as_of))
    night = nightly.identify(nightly.stage(nightly.begin(as_of, "test")))
    assert night["is_slice"]
    killed = subprocess.run([sys.executable, "-c", KILLED, json.dumps(night), schema, str(statements)], check=False)
    assert killed.returncode == -signal.SIGKILL
    serve(settings, nightly.transform(night))
    found, sums = marts(settings), tallied(settings)
    assert not differing(found, marts(settings, "serving"))
    _use(whole, monkeypatch)
    build(as_of)
    assert not differing(found, marts(whole))
    assert not differing(sums, tallied(whole))
    with open_engine(settings) as one, open_engine(whole) as other:
        for table in (
            "customer_record",
            "customer_identifier",
            "customer",
            "identifier_class",
            "record_group",
            "node_group",
        ):
            query = f"select * from identity.{table} order by all"
            assert one.read(query).equals(other.read(query)), table
