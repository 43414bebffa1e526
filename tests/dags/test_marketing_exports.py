"""The DAG `marketing_exports` as Airflow runs it: the files and pages of what is served, and nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from customer360 import airflow_local
from customer360.site import build_site
from marketed import Company, told

RUN = """
import json, sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
from airflow.settings import DAGS_FOLDER
dag = DagBag(DAGS_FOLDER).dags["marketing_exports"]
found = []
for _ in range(2):
    run = dag.test(logical_date=datetime.fromisoformat(sys.argv[1]), run_conf={"as_of": sys.argv[1]})
    found.append({i.task_id: [str(i.state), i.xcom_pull(task_ids=i.task_id)] for i in run.get_task_instances()})
json.dump({"runs": found}, open(sys.argv[2], "w"))
"""


def test_the_dag_writes_the_night_once(company: Company, tmp_path: Path) -> None:
    settings = company.settings
    environment = {**os.environ, **airflow_local.environment(settings)}
    airflow_local.migrate(environment)
    answer = tmp_path / "answer.json"
    command = [sys.executable, "-c", RUN, company.night(0).isoformat(), str(answer)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    for run in found["runs"]:
        assert {state for state, _ in run.values()} == {"success"}, run
    first, second = (run["write_files"][1] for run in found["runs"])
    assert first == second
    folder = settings.exports / first["folder"]
    assert (settings.exports / "latest").resolve() == folder
    assert len(told(folder / "manifest.json")["files"]) == first["files"]
    ((exported, files),) = company.ask("select publication_id, files from ops.export")
    assert company.ask("select publication_id from ops.publication_pointer") == [(exported,)]
    assert files == first["files"]
    page = Path(found["runs"][0]["build_page"][1]["page"])
    assert f"Publication <strong>{exported}</strong>" in page.read_text("utf-8")
    assert (page.parent / "files" / "manifest.json").read_bytes() == (folder / "manifest.json").read_bytes()
    assert 'href="marketing/index.html"' in build_site(settings, with_dbt_docs=False).read_text("utf-8")
