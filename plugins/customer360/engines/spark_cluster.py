"""A Spark cluster of our own on this machine: one master, two workers and a server for sessions.

Every process listens on loopback only; the cluster's secret and the server's token are made anew at each
start and kept in `<home>/cluster.json` and `<home>/conf`, readable by their owner only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from customer360.engines.base import EngineError
from customer360.engines.spark_runtime import java, spark_home
from customer360.settings import Settings

HOST = "127.0.0.1"
WORKERS = 2
_PATIENCE_S = 180  # for all of it on a busy machine
_DAEMON_MEMORY = "256m"
_DRIVER_MEMORY = "1g"
_COMPUTING = "-XX:+UseSerialGC"
_QUICK_START = f"-XX:TieredStopAtLevel=1 {_COMPUTING}"  # what only plans and passes on need not be compiled twice
_SERVERS = {
    "connect": "org.apache.spark.sql.connect.service.SparkConnectServer",
    "thrift": "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2",
}
_MB = {"MB": 1, "MIB": 1, "GB": 1024, "GIB": 1024}
_LEAST_MB = 512  # Spark starts no executor with less


@dataclass(frozen=True, slots=True)
class Process:
    """A process and when it began, so that another one under its number is not taken for it."""

    pid: int
    began: float

    def running(self) -> psutil.Process | None:
        try:
            found = psutil.Process(self.pid)
            alive = abs(found.create_time() - self.began) < 1 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: `master` takes applications, `endpoint` sessions of the server's application."""

    master: str
    endpoint: str
    processes: tuple[Process, ...]


def folder(settings: Settings) -> Path:
    """Where the cluster of these settings keeps its state and logs."""
    return settings.local / "spark"


def executor_memory(limit: str | None) -> str:
    """What each worker gives its executor when all of them may take `limit`, e.g. 4GB.

    Raises EngineError when that is no size.
    """
    if limit is None:
        return "1g"
    found = re.fullmatch(r"(\d+)\s*([A-Z]+)", limit.strip().upper())
    if found is None or found[2] not in _MB:
        raise EngineError(f"C360_MEMORY_LIMIT is no number of MB or GB: {limit}")
    return f"{max(_LEAST_MB, int(found[1]) * _MB[found[2]] // WORKERS)}m"


def start(home: Path, jar: Path, *, cores: int = 2, memory: str = "1g", server: str = "connect") -> Cluster:
    """Start the cluster kept in `home` unless it runs. Safe to call from several processes at once.

    `server` is connect, thrift, or none (then applications bring their own driver). `cores` and `memory`
    are each worker's together and apiece. Raises EngineError when it does not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        known = status(home)
        if known is not None:
            return known
        _end(home)
        return _launch(home, jar, cores, memory, server)


def status(home: Path) -> Cluster | None:
    """The cluster kept in `home` if every process of it runs."""
    known = _state(home)
    return known if known is not None and all(process.running() for process in known.processes) else None


def stop(home: Path) -> bool:
    """Stop the cluster; False if none runs."""
    if not home.is_dir():
        return False
    with _locked(home):
        return _end(home)


# Starting -----------------------------------------------------------------------------------------


def _launch(home: Path, jar: Path, cores: int, memory: str, server: str) -> Cluster:
    java()
    conf = home / "conf"
    conf.mkdir(mode=0o700, exist_ok=True)
    token = secrets.token_urlsafe(24)
    ports = _free_ports(2)
    master = f"spark://{HOST}:{ports[0]}"
    properties = _properties(home, jar, master) | {
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(ports[1]),
        "spark.connect.authenticate.token": token,
        # A killed night's last statement must not be carried out beside the next try: Spark would go on for seven
        # minutes. It notices that nobody listens when the stream of an answer ends, which a living client renews.
        "spark.connect.execute.reattachable.senderMaxStreamDuration": "10s",
        "spark.connect.execute.manager.detachedTimeout": "20s",
        "spark.connect.execute.manager.maintenanceInterval": "5s",
        "spark.executor.memory": memory,
        # The default, 200, is for clusters of another size. What is large is cut finer, so that less is spilled.
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.sql.adaptive.coalescePartitions.initialPartitionNum": str(8 * cores),
        # A Thrift server's threads do not look among the jars that come later.
        "spark.driver.extraClassPath": str(jar),
        "spark.executor.extraClassPath": str(jar),
        "spark.executor.extraJavaOptions": _COMPUTING,
        "spark.driver.extraJavaOptions": _QUICK_START,
    }
    _write_properties(conf / "spark-defaults.conf", properties)
    environment = {
        **os.environ,
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(home / "scratch"),
        "SPARK_DAEMON_JAVA_OPTS": _QUICK_START,
        "SPARK_LAUNCHER_OPTS": _QUICK_START,
        "HIVE_SERVER2_THRIFT_PORT": str(ports[1]),
        "HIVE_SERVER2_THRIFT_BIND_HOST": HOST,
    }
    endpoints = {
        "connect": f"sc://localhost:{ports[1]}/;token={token}",
        "thrift": f"spark+thrift://{HOST}:{ports[1]}",
        "none": master,
    }
    launcher = str(spark_home() / "bin" / "spark-class")
    begun: list[Process] = []
    deadline = time.monotonic() + _PATIENCE_S

    def begin(name: str, *arguments: str, memory: str = _DAEMON_MEMORY) -> Process:
        told = environment | {"SPARK_DAEMON_MEMORY": memory}  # the server's, too: it counts as a daemon
        process = _begin(home, name, (launcher, *arguments), told)
        begun.append(process)
        _write_private(home / "cluster.json", _as_json(Cluster(master, endpoints[server], tuple(begun))))
        return process

    try:
        daemon = "org.apache.spark.deploy"
        first = begin("master", f"{daemon}.master.Master", "--host", HOST, "--port", str(ports[0]), "--webui-port", "0")
        _wait_for_port(ports[0], first, home / "master.log", deadline)
        for number in range(1, WORKERS + 1):
            options = ("--host", HOST, "--webui-port", "0", "--work-dir", str(home / "work"))
            size = ("--cores", str(max(1, cores // WORKERS)), "--memory", memory)
            begin(f"worker-{number}", f"{daemon}.worker.Worker", *options, *size, master)
        if server != "none":
            submit = ("org.apache.spark.deploy.SparkSubmit", "--class", _SERVERS[server], "spark-internal")
            last = begin(server, *submit, memory=_DRIVER_MEMORY)
            _wait_for_port(ports[1], last, home / f"{server}.log", deadline)
    except BaseException:
        _end(home)
        raise
    return Cluster(master, endpoints[server], tuple(begun))


def _properties(home: Path, jar: Path, master: str) -> dict[str, str]:
    """What every process of the cluster is told."""
    return driver_properties(master, jar, home) | {
        "spark.master.rest.enabled": "false",
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets.token_urlsafe(24),
    }


def driver_properties(master: str, jar: Path, home: Path) -> dict[str, str]:
    """What an application needs to run on `master` from this machine."""
    properties = {
        "spark.master": master,
        "spark.jars": str(jar),
        "spark.ui.enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(home / "unused"),
        "spark.driver.memory": _DRIVER_MEMORY,
    }
    if f"//{HOST}:" in master:
        properties |= {"spark.driver.host": HOST, "spark.driver.bindAddress": HOST}
    return properties


def _write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """A properties file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{key} {value}" for key, value in properties.items())
    _write_private(path, "\n".join(lines) + "\n")


def _begin(home: Path, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
    with (home / f"{name}.log").open("wb") as log:
        # A session of its own: the cluster outlives the command that started it.
        process = subprocess.Popen(  # noqa: S603  (Spark's own launcher, our own arguments)
            command,
            env=dict(environment),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Process(process.pid, psutil.Process(process.pid).create_time())


def _wait_for_port(port: int, process: Process, log: Path, deadline: float) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if process.running() is None:
            raise EngineError(f"a process of the Spark cluster ended at once; its log is {log}")
        if time.monotonic() > deadline:
            raise EngineError(f"the Spark cluster did not come up within {_PATIENCE_S} s; the log is {log}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


# Stopping -----------------------------------------------------------------------------------------


def _end(home: Path) -> bool:
    """End what still runs, the server first so that it lets its executors go."""
    known = _state(home)
    if known is None:
        return False
    running = [found for process in reversed(known.processes) if (found := process.running())]
    for found in running:
        family = [found]
        with contextlib.suppress(psutil.NoSuchProcess):
            family += found.children(recursive=True)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.terminate()
        _, left = psutil.wait_procs(family, timeout=15)
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=5)
    (home / "cluster.json").unlink(missing_ok=True)
    for scratch in ("scratch", "work"):
        shutil.rmtree(home / scratch, ignore_errors=True)
    return bool(running)


# State --------------------------------------------------------------------------------------------


def _state(home: Path) -> Cluster | None:
    path = home / "cluster.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text("utf-8"))
    return Cluster(found["master"], found["endpoint"], tuple(Process(**each) for each in found["processes"]))


def _as_json(cluster: Cluster) -> str:
    return json.dumps(asdict(cluster))


def _write_private(path: Path, text: str) -> None:
    arriving = path.with_suffix(".arriving")
    arriving.unlink(missing_ok=True)
    with os.fdopen(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    arriving.replace(path)


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
