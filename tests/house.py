"""Airflow as it really runs, for tests: the containers' own commands as plain processes, and the public API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from customer360 import airflow_local, postgres
from customer360.settings import Settings
from projects import PROJECT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))["services"]
LASTING = ("api-server", "scheduler", "dag-processor", "triggerer")
VARIABLE = re.compile(r"\$\{(\w+)(?::[?-]([^}]*))?\}")
PATIENCE_S = 240

PEOPLE = """
version: 1
company: {timezone: Europe/Berlin, phone_region: DE}
defaults: {timezone: Europe/Berlin}
sources:
  people:
    connector: mapped
    location: people/*.csv
    mapping:
      record_id: id
      contact_record: {full_name: name}
      identifiers: [{type: email, column: mail}]
"""


class Api:
    """Airflow's public API, as a person who logs in uses it."""

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self.token: str | None = None
        self.token = self.call("POST", "/auth/token", {"username": "admin", "password": password})["access_token"]

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self.token}"} if self.token else {}),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def wait_for_dags(self, wanted: set[str]) -> set[str]:
        """The DAGs that are parsed, as soon as `wanted` are among them."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = {each["dag_id"] for each in self.call("GET", "/api/v2/dags?limit=100")["dags"]}
            if wanted <= found:
                return found
            assert time.monotonic() < deadline, f"not parsed: {sorted(wanted - found)}"
            time.sleep(1)

    def start(self, dag: str, as_of: str) -> str:
        """Trigger one run as a person would; its id."""
        self.wait_for_dags({dag})
        body = {"logical_date": None, "conf": {"as_of": as_of}}
        run: str = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"]
        self.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        return run

    def wait(self, dag: str, run: str) -> str:
        """State at the end of a run."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            state: str = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]
            if state in {"success", "failed"}:
                return state
            assert time.monotonic() < deadline, f"{dag} is still {state}"
            time.sleep(1)

    def tries(self, dag: str, run: str) -> dict[str, int]:
        """How often each task of a run was tried."""
        found = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {each["task_id"]: each["try_number"] for each in found}

    def log(self, dag: str, run: str, task: str) -> str:
        """What a task's first try wrote."""
        return json.dumps(self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1"))


class House:
    """The composed services as processes: where a container has a host, a path or a port, they have theirs."""

    def __init__(self, home: Path, cluster: Settings, extra: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.extra = dict(extra or {})
        self.port, self.health_port = airflow_local.free_port(), airflow_local.free_port()
        airflow_local.write_compose_secrets(home / ".env")
        self.secrets = dict(line.split("=", 1) for line in (home / ".env").read_text("utf-8").splitlines())
        self.serving = postgres.database_url(cluster, f"{home.name}_serving")
        self.metadata = postgres.database_url(cluster, f"{home.name}_airflow")
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self, service: str) -> dict[str, str]:
        made = {name: self.here(str(value)) for name, value in SERVICES[service]["environment"].items()}
        made["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self.metadata.replace("postgresql://", "postgresql+psycopg2://")
        made["C360_SERVING_URL"] = self.serving
        made["AIRFLOW__API__PORT"] = str(self.port)
        made["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"] = str(self.health_port)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        from_image = {
            "C360_HOME": str(PROJECT),
            "C360_LOCAL": str(self.home),
            "C360_SOURCES": str(self.home / "sources.yml"),
        }
        return {**os.environ, **from_image, **made, **self.extra, "PATH": path}

    def here(self, text: str) -> str:
        text = VARIABLE.sub(lambda match: self.secrets.get(match[1], match[2] or ""), text)
        text = text.replace("/var/lib/customer360", str(self.home)).replace("/opt/customer360", str(PROJECT))
        text = text.replace("http://api-server:8080", f"http://127.0.0.1:{self.port}")
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace(
            "127.0.0.1:8974", f"127.0.0.1:{self.health_port}"
        )

    def init(self) -> None:
        command = SERVICES["init"]["command"]
        done = subprocess.run(command, env=self.environment("init"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    def open(self) -> None:
        """Start every lasting service and wait until all are healthy."""
        for service in LASTING:
            self.start(service)
        for service in LASTING:
            self.wait(service)

    def start(self, service: str) -> None:
        with (self.home / f"{service}.log").open("wb") as log:
            self.running[service] = subprocess.Popen(
                SERVICES[service]["command"],
                env=self.environment(service),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_healthy(self, service: str) -> bool:
        kind, *command = [self.here(part) for part in SERVICES[service]["healthcheck"]["test"]]
        assert kind == "CMD"
        return subprocess.run(command, env=self.environment(service), capture_output=True).returncode == 0

    def wait(self, service: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_healthy(service):
            log = self.home / f"{service}.log"
            assert self.running[service].poll() is None, f"{service} ended: {log.read_text('utf-8')[-2000:]}"
            assert time.monotonic() < deadline, f"{service} is not healthy: {log.read_text('utf-8')[-2000:]}"
            time.sleep(1)

    def log_in(self) -> Api:
        return Api(self.port, self.secrets["C360_ADMIN_PASSWORD"])

    def stop(self) -> None:
        airflow_local.end(list(self.running.values()))
