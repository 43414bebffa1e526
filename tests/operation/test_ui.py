"""`c360 ui` as a person starts it: what it serves, to whom, and what is left when it stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from customer360 import airflow_local, postgres
from customer360.settings import Settings
from house import Api
from projects import PROJECT, make_settings

C360 = Path(sys.executable).parent / "c360"
PATIENCE_S = 240


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    """A project with a database server of its own, as on a fresh machine."""
    settings = make_settings(tmp_path)
    yield settings
    postgres.drop(settings)


@contextmanager
def started(settings: Settings, port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`c360 ui` in an environment without the project's variables; ended with all its children."""
    foreign = ("C360_", "AIRFLOW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"C360_LOCAL": str(settings.local), "C360_FSYNC": "off", "COLUMNS": "200"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            [C360, "ui", "--port", str(port)], env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def wait_for(process: subprocess.Popen[bytes], output: Path, pattern: str) -> re.Match[str]:
    deadline = time.monotonic() + PATIENCE_S
    while (found := re.search(pattern, output.read_text("utf-8"))) is None:
        assert process.poll() is None, output.read_text("utf-8")
        assert time.monotonic() < deadline, output.read_text("utf-8")
        time.sleep(0.5)
    return found


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Address and port of every socket that the processes listen on."""
    found: set[tuple[str, int]] = set()
    for process in processes:
        for each in process.net_connections("inet") if process.is_running() else ():
            if each.status == psutil.CONN_LISTEN:
                found.add((each.laddr.ip, each.laddr.port))
    return found


def database_server(settings: Settings) -> psutil.Process:
    running = postgres.status(settings)
    assert running is not None
    return psutil.Process(int(Path(running.data, "postmaster.pid").read_text("utf-8").splitlines()[0]))


def wait_for_task(process: subprocess.Popen[bytes]) -> psutil.Process:
    """A task at work: Airflow gives each a process group of its own."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for each in psutil.Process(process.pid).children(recursive=True):
            if os.getpgid(each.pid) != os.getsid(each.pid):
                return each
        time.sleep(0.2)
    pytest.fail("no task runs")


def is_answered(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_serves_this_machine_only_and_leaves_nothing_behind(own: Settings) -> None:
    port, output = airflow_local.free_port(), own.local / "ui.txt"
    with started(own, port, output) as process:
        password = wait_for(process, output, r"user admin, password (\S+)")[1]
        reports = int(wait_for(process, output, r"reports\s+http://127\.0\.0\.1:(\d+)")[1])
        wait_for(process, output, "Ctrl-C")
        sources: dict[str, Any] = yaml.safe_load((PROJECT / "dags" / "sources.yml").read_text("utf-8"))["sources"]
        expected = {f"ingest_{name}" for name in sources}
        expected |= {"customer_360", "identity_review", "maintenance", "marketing_exports"}
        api = Api(port, password)
        assert api.wait_for_dags(expected) == expected
        assert api.call("GET", "/api/v2/importErrors")["total_entries"] == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{reports}/", timeout=30) as page:
            report = page.read().decode()
        assert "Nothing published yet" in report
        told = api.call("GET", "/api/v2/dags/customer_360/details")["doc_md"]
        assert f"(http://127.0.0.1:{reports}/#costs)" in told
        assert 'id="costs"' in report
        api.start("customer_360", "2026-03-02")
        task = wait_for_task(process)
        children = psutil.Process(process.pid).children(recursive=True)
        server = database_server(own)
        found = listening([*children, server])
        assert {address for address, _ in found} == {"127.0.0.1"}, found
        assert {port, reports} < {number for _, number in found}
        assert len(found) == 3, found
        logs = "".join(each.read_text("utf-8", "replace") for each in own.local.glob("airflow/processes/*.log"))
        assert logs
        assert password not in logs
        task.suspend()  # it will not end by itself
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, output.read_text("utf-8")
        assert psutil.wait_procs(children, 5)[1] == []
        assert not is_answered(port)
        assert not is_answered(reports)
        assert server.is_running()  # other commands may be at work there


def test_a_port_that_is_taken_is_said_at_once(own: Settings) -> None:
    output = own.local / "ui.txt"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started(own, port, output) as process:
            assert process.wait(60) == 1
    assert f"port {port} is taken; choose another with --port" in output.read_text("utf-8")
    assert postgres.status(own) is None
