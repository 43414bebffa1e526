"""Airflow under the project's own roof: its environment, its metadata database, its processes.

`environment` is what every Airflow process of the project runs with; `migrate` prepares the metadata
database and the pools; `serve` runs the whole set on loopback until it is interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from customer360.settings import Settings

# The scheduler's and the triggerer's own log servers listen on every interface, and the api-server reads the
# files itself.
COMPONENTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)
ADMIN = "admin"


def environment(settings: Settings, metadata_url: str | None = None, port: int = 8080) -> dict[str, str]:
    """Environment of an Airflow process. Without `metadata_url`, metadata is a SQLite file:
    enough for `dag.test`, never for a scheduler."""
    home = settings.local / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    secret = _secrets(home)
    url = metadata_url or f"sqlite:///{home / 'airflow.db'}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__FERNET_KEY": secret["fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__SECRET_KEY": secret["api_secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secret["jwt_secret"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "C360_HOME": str(settings.home),
        "C360_LOCAL": str(settings.local),
        "C360_SOURCES": str(settings.sources),
        "C360_LANDING": settings.landing,
        "C360_LAKE": settings.lake,
        "C360_ENGINE": settings.engine,
    }


def migrate(env: Mapping[str, str]) -> None:
    """Create or upgrade the metadata database and the pools. Raises CalledProcessError."""
    from customer360.pools import POOLS

    _airflow(env, "db", "migrate")
    pools = {name: {"slots": slots, "description": "customer360"} for name, slots in POOLS.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(pools, file)
        file.flush()
        _airflow(env, "pools", "import", file.name)


def _airflow(env: Mapping[str, str], *arguments: str) -> None:
    subprocess.run(  # noqa: S603  (our own interpreter, our own arguments)
        [sys.executable, "-m", "airflow", *arguments],
        env={**os.environ, **env},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _secrets(home: Path) -> dict[str, str]:
    """Secrets of this installation, made once, readable by its owner only."""
    path = home / "secrets.json"
    if not path.exists():
        from cryptography.fernet import Fernet

        made = {
            "fernet_key": Fernet.generate_key().decode(),
            "api_secret_key": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_urlsafe(48),
        }
        _write_private(path, json.dumps(made))
        _write_private(home / "passwords.json", json.dumps({ADMIN: secrets.token_urlsafe(12)}))
    known: dict[str, str] = json.loads(path.read_text("utf-8"))
    return known


def write_admin_password(env: Mapping[str, str]) -> None:
    """Put C360_ADMIN_PASSWORD where Airflow's auth manager looks, so that it makes up none and logs none.

    Raises KeyError if the environment lacks it.
    """
    path = Path(env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_private(path, json.dumps({ADMIN: env["C360_ADMIN_PASSWORD"]}))


def write_compose_secrets(path: Path) -> None:
    """Write the secrets that docker-compose.yml requires. Raises ValueError if `path` exists."""
    from cryptography.fernet import Fernet

    if path.exists():
        raise ValueError(f"{path} exists; remove it first if its secrets are to change")
    made = {
        "AIRFLOW_FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW_API_SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW_JWT_SECRET": secrets.token_urlsafe(48),
        "C360_ADMIN_PASSWORD": secrets.token_urlsafe(16),
        "METADATA_PASSWORD": secrets.token_hex(16),
        "SERVING_PASSWORD": secrets.token_hex(16),
    }
    _write_private(path, "".join(f"{name}={value}\n" for name, value in made.items()))


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Whether somebody listens on the loopback port already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the set and where its output goes."""

    name: str
    command: tuple[str, ...]
    log: Path


def services(settings: Settings) -> list[Service]:
    """The four Airflow processes, as docker-compose.yml runs them."""
    logs = settings.local / "airflow" / "processes"
    logs.mkdir(parents=True, exist_ok=True)
    return [
        Service(name, (sys.executable, "-m", "airflow", name, *options), logs / f"{name}.log")
        for name, *options in COMPONENTS
    ]


class NotServing(RuntimeError):
    """A process of the set ended by itself, or Airflow did not come up; the text names the log."""


def serve(
    processes: list[Service], env: Mapping[str, str], port: int, ready: Callable[[], None], patience_s: float = 180.0
) -> None:
    """Run `processes` until SIGINT or SIGTERM; calls `ready` once the api-server on `port` is healthy.

    Raises NotServing, with everything stopped.
    """
    from customer360.health import http

    running: list[tuple[Service, subprocess.Popen[bytes]]] = []
    stop = _Stop()
    try:
        for service in processes:
            with service.log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603
                    service.command,
                    env={**os.environ, **env},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            running.append((service, process))
        deadline = time.monotonic() + patience_s
        is_ready = False
        while not stop.asked:
            for service, process in running:
                if process.poll() is not None:
                    raise NotServing(f"{service.name} ended with {process.returncode}; see {service.log}")
            if not is_ready:
                wrong = http(f"http://127.0.0.1:{port}/api/v2/monitor/health")
                if wrong is None:
                    is_ready = True
                    ready()
                elif time.monotonic() > deadline:
                    raise NotServing(f"Airflow did not come up within {patience_s:.0f} s: {wrong}")
            time.sleep(1)
    finally:
        end([process for _, process in running])


def end(processes: Sequence[subprocess.Popen[bytes]], grace_s: float = 20.0) -> None:
    """Stop processes that lead sessions of their own, with everything in those sessions.

    A task has a process group of its own and would outlive its scheduler. One that is still at work after
    the grace is killed, which the pipeline bears: it is tried again, or the next night does its work.
    """
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
    sessions = {process.pid for process in processes}
    while left := [pid for pid in psutil.pids() if _session(pid) in sessions]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.poll()
        time.sleep(0.05)


def _session(pid: int) -> int | None:
    """The session of a process that lives."""
    try:
        return None if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else os.getsid(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


class _Stop:
    """Remembers that SIGINT or SIGTERM came."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True
