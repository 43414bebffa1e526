"""docker-compose.yml and Dockerfile, parsed: secrets required, loopback ports, health checks, no root; and its own
commands run as plain processes where that needs no second database server."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from customer360 import airflow_local, health
from customer360.airflow_local import write_compose_secrets
from customer360.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = ("init", "api-server", "scheduler", "dag-processor", "triggerer")
VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)?([^}]*)\}")


def test_exactly_these_services() -> None:
    assert set(SERVICES) == {"serving", "metadata", "pages", *AIRFLOW}
    assert "environment" not in SERVICES["pages"]
    assert SERVICES["serving"]["environment"]["POSTGRES_USER"] != SERVICES["metadata"]["environment"]["POSTGRES_USER"]


def test_every_secret_is_required_and_none_has_a_default(tmp_path: Path) -> None:
    used = {name: kind for name, kind, _ in VARIABLE.findall(TEXT)}
    secrets = {name for name in used if re.search(r"PASSWORD|SECRET|KEY", name)}
    assert {used[name] for name in secrets} == {":?"}
    write_compose_secrets(tmp_path / ".env")
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text("utf-8").splitlines())
    assert set(written) == secrets
    assert all(len(value) >= 20 for value in written.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="exists"):
        write_compose_secrets(tmp_path / ".env")


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_every_lasting_service_has_a_health_check_and_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        if name == "init":
            assert service["depends_on"] == {
                "serving": {"condition": "service_healthy"},
                "metadata": {"condition": "service_healthy"},
            }
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name
        if name in AIRFLOW[1:]:
            assert service["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_the_image_runs_as_an_ordinary_user_and_holds_what_it_needs() -> None:
    lines = (PROJECT / "Dockerfile").read_text("utf-8").splitlines()
    assert lines[-1] == "USER customer360"
    assert any("uv sync --frozen" in line for line in lines)
    allowed = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY "):
            for source in line.split()[1:-1]:
                assert (PROJECT / source).exists(), source
                assert f"!{source.removeprefix('./')}" in allowed, source


def test_the_commands_exist() -> None:
    for name in AIRFLOW:
        program, *arguments = SERVICES[name]["command"]
        executable = Path(sys.executable).parent / program
        done = subprocess.run([executable, *arguments, "--help"], capture_output=True, text=True, env={**os.environ})
        assert done.returncode == 0, done.stderr[-500:]


def test_the_environment_is_the_one_the_project_runs_airflow_with(settings: Settings) -> None:
    ours = airflow_local.environment(settings, "postgresql://x")
    theirs = SERVICES["scheduler"]["environment"]
    differing = {
        "AIRFLOW_HOME",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
    }
    for name in set(ours) & set(theirs) - differing:
        same = ours[name] == theirs[name]
        assert same or "$" in theirs[name] or "/" in theirs[name], name


def test_a_health_check_of_nothing_is_not_healthy() -> None:
    port = airflow_local.free_port()
    assert health.http(f"http://127.0.0.1:{port}/health") is not None
    assert health.main(["http", f"http://127.0.0.1:{port}/health"]) == 1
    assert health.main([]) == 1
