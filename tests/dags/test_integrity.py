"""The DAG files: exactly these DAGs, nothing heavy at parse, owners, retries, timeouts, pools, documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
HEAVY = ("duckdb", "pyarrow", "pandas", "great_expectations", "dbt", "psycopg2", "numpy", "scipy", "email_validator")

PROBE = """
import json, sys
before = set(sys.modules)
from airflow.dag_processing.dagbag import DagBag
loaded = set(sys.modules)
bag = DagBag(sys.argv[1])
found = {
    name: {
        "tasks": {
            task.task_id: {
                "owner": task.owner, "retries": task.retries, "pool": task.pool, "mapped": task.is_mapped,
                "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
            }
            for task in dag.tasks
        },
        "doc": bool(dag.doc_md), "max_active_runs": dag.max_active_runs, "catchup": dag.catchup,
        "timeout": bool(dag.dagrun_timeout), "params": sorted(dag.params),
        "edges": sorted([task.task_id, below] for task in dag.tasks for below in task.downstream_task_ids),
    }
    for name, dag in bag.dags.items()
}
heavy = sorted({name.split(".")[0] for name in set(sys.modules) - loaded})
errors = [str(error) for error in bag.import_errors.values()]
json.dump({"dags": found, "errors": errors, "imported": heavy}, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:  # type: ignore[type-arg]
    """All DAG files, parsed once in a fresh process."""
    home = tmp_path_factory.mktemp("airflow")
    answer = home / "answer.json"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "C360_HOME": str(PROJECT),
        "C360_SOURCES": str(PROJECT / "dags" / "sources.yml"),
    }
    command = [sys.executable, "-c", PROBE, str(PROJECT / "dags"), str(answer)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    found: dict = json.loads(answer.read_text("utf-8"))  # type: ignore[type-arg]
    return found


def test_exactly_these_dags_exist(parsed) -> None:  # type: ignore[no-untyped-def]
    sources = yaml.safe_load((PROJECT / "dags" / "sources.yml").read_text("utf-8"))["sources"]
    assert set(parsed["dags"]) == {f"ingest_{name}" for name in sources} | {
        "customer_360",
        "identity_review",
        "maintenance",
        "marketing_exports",
    }
    assert parsed["errors"] == []


def test_parsing_imports_nothing_heavy(parsed) -> None:  # type: ignore[no-untyped-def]
    assert not set(parsed["imported"]) & set(HEAVY)


def test_every_task_has_owner_retries_timeout_and_known_pool(parsed) -> None:  # type: ignore[no-untyped-def]
    from customer360.pools import POOLS

    for dag_id, dag in parsed["dags"].items():
        assert dag["doc"], dag_id
        assert dag["timeout"], dag_id
        assert dag["max_active_runs"] == 1
        assert not dag["catchup"]
        assert dag["params"] == ["as_of"]
        for task_id, task in dag["tasks"].items():
            assert task["owner"] == "data-engineering"
            assert task["pool"] in {*POOLS, "default_pool"}
            if task_id not in {"approve_warnings", "pair.ask"}:  # they wait for a person instead
                assert task["retries"] >= 1
                assert task["timeout"]


def test_the_night_runs_in_this_order(parsed) -> None:  # type: ignore[no-untyped-def]
    edges = {tuple(edge) for edge in parsed["dags"]["customer_360"]["edges"]}
    chain = ["begin", "stage", "identify", "transform", "propose", "audit", "decide", "approve_warnings", "publish"]
    assert set(pairwise(chain)) <= edges
    assert parsed["dags"]["ingest_pbx"]["tasks"]["load"]["mapped"]


def test_dag_files_are_thin() -> None:
    for path in (PROJECT / "dags").glob("*.py"):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 60, path.name
        assert "select " not in text, path.name
