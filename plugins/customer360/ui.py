"""`c360 ui`: Airflow on Postgres metadata with the DAGs, and the reports, on loopback until Ctrl-C."""

from __future__ import annotations

import json
import sys

from rich.console import Console

from customer360 import airflow_local, postgres
from customer360.ops import migrate
from customer360.settings import Settings


def serve_ui(out: Console, port: int) -> None:
    """Run the four Airflow processes and a small server for the reports; stop them at the end.

    Raises ValueError for a port that is taken, and airflow_local.NotServing.
    """
    if airflow_local.is_taken(port):
        raise ValueError(f"port {port} is taken; choose another with --port")
    settings = Settings.from_env()
    metadata = postgres.database_url(settings, "airflow").replace("postgresql://", "postgresql+psycopg2://", 1)
    reports = airflow_local.free_port()
    environment = airflow_local.environment(settings, metadata, port)
    environment = {**environment, "C360_REPORTS_URL": f"http://127.0.0.1:{reports}"}
    with out.status("preparing Airflow's database"):
        airflow_local.migrate(environment)
        with postgres.connect(settings, application_name="c360 ui") as connection:
            migrate(connection)
    processes = [*airflow_local.services(settings), _reports(settings, reports)]

    def ready() -> None:
        starting.stop()
        password = json.loads((settings.local / "airflow" / "passwords.json").read_text("utf-8"))[airflow_local.ADMIN]
        out.print(
            f"Airflow   http://127.0.0.1:{port}  user {airflow_local.ADMIN}, password {password}", highlight=False
        )
        out.print(f"reports   http://127.0.0.1:{reports}", highlight=False)
        if (settings.local / "site" / "marketing").exists():
            out.print(f"marketing http://127.0.0.1:{reports}/marketing/", highlight=False)
        out.print(f"data      psql '{postgres.display_url(settings)}'", highlight=False, soft_wrap=True)
        out.print("Ctrl-C stops Airflow and the reports; make stop stops the data's server.")

    with out.status("starting") as starting:
        airflow_local.serve(processes, environment, port, ready)


def _reports(settings: Settings, port: int) -> airflow_local.Service:
    from customer360.nightly import build_page
    from customer360.site import build_site

    build_page()
    folder = build_site(settings, with_dbt_docs=False).parent
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder))
    return airflow_local.Service("reports", command, settings.local / "airflow" / "processes" / "reports.log")
