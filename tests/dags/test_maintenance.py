"""The `maintenance` DAG as Airflow runs it: what retention says goes; what is shared, active or recent stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import publishing
from customer360 import airflow_local, ingest, ledger, postgres
from customer360.publish import publication
from customer360.publish.store import ensure
from customer360.quality.paths import results
from customer360.quality.raw import raw_gate
from customer360.settings import Settings
from customer360.sources import load_sources

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 40
PUBLICATIONS = 33
SOURCES = """
version: 1
company: {timezone: UTC}
defaults: {timezone: UTC, expectations: raw/interactions}
sources:
  short: {connector: mapped, location: short/*, retention_days: 30, mapping: &calls {
    record_id: id, interaction: {channel: {value: phone}, occurred_at: at},
    identifiers: [{type: email, column: mail}]}}
  long: {connector: mapped, location: long/*, retention_days: 365, mapping: *calls}
"""
RUN = """
import json, sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
from airflow.settings import DAGS_FOLDER
bag = DagBag(DAGS_FOLDER)
run = bag.dags["maintenance"].test(logical_date=datetime.fromisoformat(sys.argv[1]), run_conf={"as_of": sys.argv[1]})
found = {each.task_id: [str(each.state), each.xcom_pull(task_ids=each.task_id)] for each in run.get_task_instances()}
json.dump(found, open(sys.argv[2], "w"))
"""


def deliver(settings: Settings, path: str, *ids: str) -> None:
    target = Path(settings.landing) / path
    target.parent.mkdir(exist_ok=True)
    lines = (f"{each},2026-02-01 10:00:00,{each}@example.com" for each in ids)
    target.write_text("\n".join(["id,at,mail", *lines, ""]), "utf-8")
    os.utime(target, (time.time() - 3600,) * 2)


def load(settings: Settings, day: int) -> None:
    config, night = load_sources(settings.sources), NIGHT + timedelta(days=day)
    for source in config.sources.values():
        ingest.ingest_source(settings, source, night, config.own, raw_gate(settings, night))


def maintain(settings: Settings, answer: Path) -> dict[str, dict[str, int]]:
    """What each task of one run returned."""
    environment = {**os.environ, **airflow_local.environment(settings)}
    as_of = (NIGHT + timedelta(days=DAYS)).isoformat()
    command = [sys.executable, "-c", RUN, as_of, str(answer)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(answer.read_text("utf-8"))
    assert {state for state, _ in found.values()} == {"success"}, found
    return {task: returned for task, (_, returned) in found.items()}


def lake(settings: Settings) -> set[str]:
    root = Path(settings.lake)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def batches(settings: Settings, *paths: str) -> dict[str, str]:
    with postgres.connect(settings, application_name="test") as connection:
        return {row.path: str(row.batch_id) for row in ledger.ledger_rows(connection)[::-1] if row.path in paths}


def test_what_is_old_goes_and_what_is_shared_active_or_recent_stays(settings: Settings, tmp_path: Path) -> None:
    settings.sources.write_text(SOURCES, "utf-8")
    deliver(settings, "short/old.csv", "o1", "o2")
    deliver(settings, "short/shared.csv", "s1")
    deliver(settings, "short/shared_again.csv", "s1")
    deliver(settings, "long/old.csv", "l1")
    load(settings, 0)
    deliver(settings, "short/shared.csv", "s2")  # its first content lives on under the other name
    deliver(settings, "short/recent.csv", "r1")
    load(settings, 20)
    stays = batches(settings, "short/shared.csv", "short/shared_again.csv", "short/recent.csv", "long/old.csv")
    (gone,) = batches(settings, "short/old.csv").values()
    half = [Path(settings.lake) / "short" / "interaction" / name for name in (".dead.0a.tmp", ".atwork.0b.tmp")]
    for path in half:
        path.write_bytes(b"half a file")
    os.utime(half[0], (time.time() - 2 * 86400,) * 2)
    with postgres.connect(settings, application_name="test") as connection:
        ensure(connection, publishing.MARTS)
        for number in range(PUBLICATIONS):
            publishing.publish(connection, DAYS - PUBLICATIONS + 1 + number, publishing.rows(number, 5))
        served = publishing.hashes(connection)
    delivered = {path: path.read_bytes() for path in Path(settings.landing).rglob("*.csv")}
    before = lake(settings)

    airflow_local.migrate({**os.environ, **airflow_local.environment(settings)})
    done = maintain(settings, tmp_path / "first.json")
    assert done["expire_batches"] == {"batches": 2, "files": 2, "leftovers": 1}  # with the first of shared.csv
    assert before - lake(settings) == {
        f"short/interaction/{gone}.parquet",
        f"short/identifier/{gone}.parquet",
        "short/interaction/.dead.0a.tmp",
    }
    assert {path: path.read_bytes() for path in delivered} == delivered
    with postgres.connect(settings, application_name="test") as connection:
        active = ledger.active_files(connection, settings, NIGHT + timedelta(days=DAYS))
        assert {file.batch_id for file in active} == set(stays.values())
        assert all(Path(file.path).is_file() for file in active)
        assert publishing.hashes(connection) == served
        kept = [row.status for row in publication.publications(connection)]
        assert (kept.count("published"), kept.count("superseded"), kept.count("pruned")) == (1, 29, PUBLICATIONS - 30)
        assert publication.rollback(connection).publication_id == PUBLICATIONS - 1
    assert done["prune_publications"]["rows"] == len(publishing.MARTS) * 5 * (PUBLICATIONS - 30)
    assert done["expire_snapshots"] == {"files": 0}  # the engine of this night keeps none
    nights = {path.name[:8] for path in (results(settings.local) / "uncommitted").rglob("2026*Z")}
    assert nights == {"20260322"}
    assert done["prune_reports"]["results"] > 0

    again = maintain(settings, tmp_path / "second.json")
    assert again["expire_batches"] == {"batches": 0, "files": 0, "leftovers": 0}
    assert (again["prune_publications"], again["prune_reports"]) == ({"rows": 0}, {"results": 0})
