"""One night of real DAG runs in this process: `python -m customer360.demo.dag_night AS_OF REPORT`.

Runs every `ingest_*` DAG, then `customer_360` and what its publication wakes, each with `dag.test`, and appends
one JSON line per DAG run to REPORT: {"dag", "state", "seconds", "tasks", "result"}. Ends with status 1 if one of
the latter failed. The environment must be that of `airflow_local.environment`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

AFTER = ("customer_360", "marketing_exports")


def main(as_of: str, report: Path) -> int:
    """Run the night; see the module's text."""
    from datetime import datetime

    from airflow.dag_processing.dagbag import DagBag
    from airflow.settings import DAGS_FOLDER

    bag = DagBag(DAGS_FOLDER)
    if bag.import_errors:
        sys.stderr.write("\n".join(str(error) for error in bag.import_errors.values()))
        return 1
    names = sorted(name for name in bag.dags if name.startswith("ingest_"))
    failed = False
    for name in [*names, *AFTER]:
        started = time.monotonic()
        for each in bag.dags[name].tasks:
            each.retries = 0  # a demo that fails says so at once
        run = bag.dags[name].test(logical_date=datetime.fromisoformat(as_of), run_conf={"as_of": as_of})
        line = {
            "dag": name,
            "state": str(run.state),
            "seconds": round(time.monotonic() - started, 2),
            "tasks": _tasks(run),
        }
        with report.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        failed = failed or (name in AFTER and line["state"] != "success")
    return 1 if failed else 0


def _tasks(run: Any) -> dict[str, int]:
    """Task instances of the run by state."""
    counts: dict[str, int] = {}
    for instance in run.get_task_instances():
        counts[str(instance.state)] = counts.get(str(instance.state), 0) + 1
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
