"""The containers' own commands, environment and health checks, run as plain processes: init, then the four
Airflow services under a real scheduler, and a night through them by the public API."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from customer360 import airflow_local, postgres
from customer360.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))["services"]
LASTING = ("api-server", "scheduler", "dag-processor", "triggerer")
VARIABLE = re.compile(r"\$\{(\w+)(?::[?-]([^}]*))?\}")
PATIENCE_S = 240

SOURCES = """
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


class House:
    """The composed services as processes: where a container has a host, a path or a port, they have theirs."""

    def __init__(self, home: Path, cluster: Settings) -> None:
        self.home = home
        self.port, self.health_port = airflow_local.free_port(), airflow_local.free_port()
        airflow_local.write_compose_secrets(home / ".env")
        self.secrets = dict(line.split("=", 1) for line in (home / ".env").read_text("utf-8").splitlines())
        self.serving = postgres.database_url(cluster, "compose_serving")
        self.metadata = postgres.database_url(cluster, "compose_airflow")
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
        return {**os.environ, **from_image, **made, "PATH": path}

    def here(self, text: str) -> str:
        text = VARIABLE.sub(lambda match: self.secrets.get(match[1], match[2] or ""), text)
        text = text.replace("/var/lib/customer360", str(self.home)).replace("/opt/customer360", str(PROJECT))
        text = text.replace("http://api-server:8080", f"http://127.0.0.1:{self.port}")
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}").replace(
            "127.0.0.1:8974", f"127.0.0.1:{self.health_port}"
        )

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

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def api(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, cluster: Settings) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), cluster)
    landing = made.home / "landing" / "people"
    landing.mkdir(parents=True)
    (made.home / "sources.yml").write_text(SOURCES, "utf-8")
    (landing / "a.csv").write_text("id,name,mail\n1,Ana Ruiz,ana@example.com\n2,Ben Ott,ben@example.com\n", "utf-8")
    try:
        yield made
    finally:
        made.stop()


def test_init_then_every_service_becomes_healthy_and_runs_a_night(house: House) -> None:
    done = subprocess.run(SERVICES["init"]["command"], env=house.environment("init"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for service in LASTING:
        house.start(service)
    for service in LASTING:
        house.wait(service)
    logs = "".join((house.home / f"{service}.log").read_text("utf-8", "replace") for service in LASTING)
    assert not [name for name, secret in house.secrets.items() if secret in logs], "a secret is in a log"
    token = house.api("POST", "/auth/token", {"username": "admin", "password": house.secrets["C360_ADMIN_PASSWORD"]})
    token = token["access_token"]
    for dag in ("ingest_people", "customer_360"):
        _run(house, token, dag, "2026-03-02")
    with psycopg2.connect(house.serving) as connection, connection.cursor() as cursor:
        cursor.execute("select full_name from serving.customer_360 order by 1")
        assert cursor.fetchall() == [("Ana Ruiz",), ("Ben Ott",)]
        cursor.execute("select status, gate from ops.publication")  # the unpaused DAG adds its own scheduled run
        found = cursor.fetchall()
    assert ("published", "pass") in found
    assert {gate for _, gate in found} == {"pass"}


def _run(house: House, token: str, dag: str, as_of: str) -> None:
    """Trigger one DAG run as a person would, and wait for its end."""
    deadline = time.monotonic() + PATIENCE_S
    while dag not in {each["dag_id"] for each in house.api("GET", "/api/v2/dags?limit=100", None, token)["dags"]}:
        assert time.monotonic() < deadline, f"{dag} was not parsed"
        time.sleep(1)
    body = {"logical_date": None, "conf": {"as_of": as_of}}
    run = house.api("POST", f"/api/v2/dags/{dag}/dagRuns", body, token)["dag_run_id"]
    house.api("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False}, token)
    while True:
        state = house.api("GET", f"/api/v2/dags/{dag}/dagRuns/{run}", None, token)["state"]
        if state in {"success", "failed"}:
            break
        assert time.monotonic() < deadline, f"{dag} is still {state}"
        time.sleep(2)
    assert state == "success", dag
