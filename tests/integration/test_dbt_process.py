"""dbt by a process that forks: what is kept between two commands, and what is not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from customer360 import dbt_process
from customer360.dbt_runner import DbtError, manifest_path, run_dbt, target_path
from customer360.engines import open_engine
from customer360.settings import Settings
from projects import PROJECT, make_settings
from waiting import until

PROJECT_FILE = (
    "{name: small, version: 1.0.0, profile: customer360, model-paths: [models], vars: {as_of: null, kind: a}}"
)
TOLD = "select cast('{{ var(\"as_of\") }}' as varchar) as night, '{{ var(\"kind\") }}' as kind"


@pytest.fixture
def small(tmp_path: Path) -> Settings:
    """Settings of a home with a dbt project of one model, which tells its variables."""
    project = tmp_path / "home" / "dbt_project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(PROJECT_FILE, "utf-8")
    (project / "models" / "told.sql").write_text(TOLD, "utf-8")
    for part in ("profiles.yml", "macros/materializations"):
        copy = shutil.copytree if (PROJECT / "dbt_project" / part).is_dir() else shutil.copy
        copy(PROJECT / "dbt_project" / part, project / part)
    settings = replace(make_settings(tmp_path / "local"), home=tmp_path / "home")
    (settings.local / "dbt" / "manifests").unlink()  # what others parsed
    with open_engine(settings) as engine:
        engine.run("select 1")
    return settings


def told(settings: Settings, **given: str) -> dict[str, str]:
    with open_engine(settings) as engine:
        engine.release()
        nodes = run_dbt(settings, engine, "build", select="told", vars=given).nodes
        assert [node.status for node in nodes] == ["success"]
        row: dict[str, str] = engine.read("select * from main.told").to_pylist()[0]
    return row


def manifests(settings: Settings) -> set[Path]:
    return set((settings.local / "dbt" / "manifests").glob("*.msgpack"))


def test_a_night_is_no_part_of_what_is_kept_but_everything_else_is(small: Settings) -> None:
    assert told(small, as_of="2026-03-01") == {"night": "2026-03-01", "kind": "a"}
    assert told(small, as_of="2026-03-02") == {"night": "2026-03-02", "kind": "a"}
    assert len(manifests(small)) == 1
    assert told(small, as_of="2026-03-02", kind="b") == {"night": "2026-03-02", "kind": "b"}
    assert len(manifests(small)) == 2
    model = small.home / "dbt_project" / "models" / "told.sql"
    model.write_text(TOLD.replace("as kind", "|| 'new' as kind"), "utf-8")
    assert told(small, as_of="2026-03-02") == {"night": "2026-03-02", "kind": "anew"}


def test_a_command_that_fails_says_why_and_the_next_one_runs(small: Settings) -> None:
    model = small.home / "dbt_project" / "models" / "told.sql"
    with open_engine(small) as engine:
        engine.release()
        model.write_text("select 1 as one from no_such_table", "utf-8")
        with pytest.raises(DbtError, match=r"model\.small\.told error"):
            run_dbt(small, engine, "build", select="told")
        model.write_text("select {{ nonsense( }}", "utf-8")
        with pytest.raises(DbtError, match="did not start"):
            run_dbt(small, engine, "build", select="told")
    model.write_text(TOLD, "utf-8")
    assert told(small, as_of="2026-03-01")["night"] == "2026-03-01"
    log = (target_path(small) / "logs" / "dbt.log").read_text("utf-8")
    assert [word in log for word in ("no_such_table", "nonsense", "Completed successfully")] == [True] * 3


def test_the_manifest_is_written_as_json_when_it_is_another_one(small: Settings) -> None:
    told(small, as_of="2026-03-01")
    written = manifest_path(small).stat()
    told(small, as_of="2026-03-02")
    assert manifest_path(small).stat() == written
    model = small.home / "dbt_project" / "models" / "told.sql"
    model.with_name("second.sql").write_text("select 1 as one", "utf-8")
    told(small, as_of="2026-03-02")
    nodes = json.loads(manifest_path(small).read_text("utf-8"))["nodes"]
    assert sorted(nodes) == ["model.small.second", "model.small.told"]


def test_a_manifest_becomes_json_once_however_often_nights_change_between_two(small: Settings) -> None:
    told(small, kind="a")
    first = manifest_path(small).read_bytes()
    told(small, kind="b")
    assert manifest_path(small).read_bytes() != first
    told(small, kind="a")
    assert manifest_path(small).read_bytes() == first  # made anew it would have another time in it
    assert {path.with_suffix(".json").exists() for path in manifests(small)} == {True}


def test_a_process_that_was_killed_is_replaced(small: Settings) -> None:
    told(small, as_of="2026-03-01")
    server = dbt_process._server
    assert server is not None
    assert dbt_process.spent()[0] > 0
    os.kill(server.process.pid, signal.SIGSTOP)  # it cannot answer before it is gone
    killed = threading.Timer(0.5, os.kill, (server.process.pid, signal.SIGKILL))
    killed.start()
    with pytest.raises(DbtError, match="its process ended with -9"):
        told(small, as_of="2026-03-02")
    assert told(small, as_of="2026-03-03")["night"] == "2026-03-03"


def test_dbt_ends_with_the_process_that_waits_for_it(small: Settings, tmp_path: Path) -> None:
    """Killed itself, it leaves no dbt behind that would go on writing beside the next try."""
    model = small.home / "dbt_project" / "models" / "told.sql"
    model.write_text(
        "{{ config(materialized='table') }} select sum(a.range % 7 * b.range) as many from range(10000000) as a, range(10000000) as b",
        "utf-8",
    )
    ask = f"""
from dataclasses import replace
from pathlib import Path
from customer360.dbt_runner import run_dbt
from customer360.engines import open_engine
from customer360.settings import Settings
settings = replace(Settings.from_env(), home=Path({str(small.home)!r}), local=Path({str(small.local)!r}), engine="duckdb")
with open_engine(settings) as engine:
    run_dbt(settings, engine, "build", select="told")
"""
    asking = subprocess.Popen([sys.executable, "-c", ask])
    output = small.local / "dbt" / "duckdb" / "output.txt"
    until(lambda: output.exists() and "START" in output.read_text("utf-8"))
    family = psutil.Process(asking.pid).children(recursive=True)
    assert len(family) >= 2, "one that forks, one that builds"
    asking.kill()
    asking.wait()
    _, left = psutil.wait_procs(family, timeout=30)
    for each in left:
        each.kill()
    assert not left
