"""`c360 ui`: Airflow on Postgres metadata with the DAGs, and the reports, on loopback until Ctrl-C."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from customer360 import airflow_local, postgres
from customer360.ops import migrate
from customer360.settings import Settings


def serve_ui(out: Console, port: int) -> None:
    """Run the four Airflow processes and a small server for the reports; stop all at the end.

    Raises RuntimeError naming the log when a process ends by itself.
    """
    settings = Settings.from_env()
    metadata = postgres.database_url(settings, "airflow").replace("postgresql://", "postgresql+psycopg2://", 1)
    environment = airflow_local.environment(settings, metadata, port)
    with out.status("preparing Airflow's database"):
        airflow_local.migrate(environment)
        with postgres.connect(settings, application_name="c360 ui") as connection:
            migrate(connection)
    reports = airflow_local.free_port()
    processes = [*airflow_local.services(settings), _reports(settings, reports)]

    def ready() -> None:
        with out.status("starting"):
            airflow_local.wait_until_healthy(port)
        password = json.loads((settings.local / "airflow" / "passwords.json").read_text("utf-8"))[airflow_local.ADMIN]
        out.print(
            f"Airflow   http://127.0.0.1:{port}  user {airflow_local.ADMIN}, password {password}", highlight=False
        )
        out.print(f"reports   http://127.0.0.1:{reports}", highlight=False)
        out.print(f"data      psql '{postgres.display_url(settings)}'", highlight=False, soft_wrap=True)
        out.print("Ctrl-C stops everything.")

    airflow_local.serve(processes, environment, ready)


def _reports(settings: Settings, port: int) -> airflow_local.Service:
    from customer360.site import build_site

    folder = settings.local / "site"
    if not (folder / "index.html").exists():
        build_site(settings, with_dbt_docs=False)
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder))
    log = Path(os.devnull)
    return airflow_local.Service("reports", command, log)
