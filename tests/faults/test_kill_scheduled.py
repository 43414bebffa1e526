"""Kill -9 of tasks under a live scheduler, where it hurts most: files written but not named, a publication one
statement before its commit. What the retries then serve is what a run that nobody kills serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from customer360 import nightly, postgres
from customer360.publish import publication, store
from customer360.settings import Settings
from customer360.sources import load_sources
from customer360.times import parse_as_of
from house import House
from projects import export

pytestmark = pytest.mark.slow

NIGHT = "2026-03-02"
CALLS, CALLERS = 300_000, 3_000
SOURCES = """
version: 1
company: {timezone: Europe/Berlin}
defaults: {timezone: Europe/Berlin}
sources:
  calls:
    connector: mapped
    location: calls/*.csv
    mapping:
      record_id: id
      interaction: {channel: {value: phone}, occurred_at: at}
      identifiers: [{type: email, column: mail}]
"""
PATIENCE_S = 240
# Dead tasks are noticed within seconds; a task is tried again at once; nothing runs but what the test starts.
SCHEDULER = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
POLICY = """
from datetime import timedelta
from airflow.timetables.simple import NullTimetable
def task_policy(task):
    task.retry_delay, task.retry_exponential_backoff = timedelta(seconds=1), False
def dag_policy(dag):
    dag.timetable = NullTimetable()
"""


@pytest.fixture
def house(tmp_path: Path, cluster: Settings) -> Iterator[House]:
    home = tmp_path / "killed"
    (home / "landing" / "calls").mkdir(parents=True)
    (home / "airflow" / "config").mkdir(parents=True)
    (home / "airflow" / "config" / "airflow_local_settings.py").write_text(POLICY, "utf-8")
    (home / "sources.yml").write_text(SOURCES, "utf-8")
    lines = (f"c{n},2026-02-{1 + n % 28:02} 10:00:00,p{n % CALLERS}@example.com" for n in range(CALLS))
    (home / "landing" / "calls" / "a.csv").write_text("\n".join(["id,at,mail", *lines, ""]), "utf-8")
    made = House(home, cluster, SCHEDULER)
    try:
        made.init()
        made.open()
        yield made
    finally:
        made.stop()


@pytest.fixture
def watch(house: House) -> Iterator[Any]:
    """A session that looks, and lays locks in the tasks' way."""
    connection = psycopg2.connect(house.serving, application_name="test")
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


def test_tasks_killed_under_a_live_scheduler_end_in_what_a_clean_run_serves(
    house: House, watch: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = house.log_in()
    run = api.start("ingest_calls", NIGHT)
    kill_two_that_load(house, watch)
    assert api.wait("ingest_calls", run) == "success"
    assert api.tries("ingest_calls", run)["load"] == 3
    assert not unnamed_files(house)
    assert one(watch, "select array_agg(array[rows_read, rows_loaded]) from ops.ledger") == [[CALLS, CALLS]]

    run = api.start("customer_360", NIGHT)
    orphan = kill_two_that_publish(house, watch)
    assert api.wait("customer_360", run) == "success"
    assert api.tries("customer_360", run)["publish"] == 3
    served = contents(replace(settings, serving_url=house.serving))
    assert orphan.is_running()
    orphan.resume()  # it goes on where it was: before its commit
    orphan.wait(60)
    assert one(watch, "select array_agg(status) from ops.publication") == ["published"]

    clean = replace(settings, landing=str(house.home / "landing"), sources=house.home / "sources.yml")
    export(clean, monkeypatch)
    as_of = parse_as_of(NIGHT, load_sources(clean.sources).timezone)
    for delivery in nightly.discover("calls", as_of):
        nightly.load("calls", delivery, as_of)
    *_, (_, night) = nightly.run_night(as_of, trigger="test")
    assert night["changes"]["customer_360"]["total"] == CALLERS
    assert served == contents(replace(settings, serving_url=house.serving)) == contents(clean)


def kill_two_that_load(house: House, watch: Any) -> None:
    """The task in the middle of its file; then task and supervisor when all is written and nothing has its name."""
    text = "select client_port from pg_stat_activity where application_name = 'c360 load calls'"
    task = until(lambda: task_behind(one(watch, text)))
    until(lambda: unnamed_files(house) or None)
    task.kill()  # its supervisor sees it at once
    assert unnamed_files(house)
    until(lambda: one(watch, "select 1 from ops.ledger where attempt = 2 and status = 'loading'"))
    watch.execute("select pg_advisory_lock(hashtext('c360 ledger'), hashtext('calls'))")
    task = blocked_task(watch, "c360 load calls")
    assert not list((house.home / "lake").rglob("*.parquet"))
    supervisor_of(task).kill()
    task.kill()  # found out by the missing heartbeat
    watch.execute("select pg_advisory_unlock_all()")


def kill_two_that_publish(house: House, watch: Any) -> psutil.Process:
    """The task at the last statement of its transaction; then the supervisor of one that has its commit still to
    say, and that stands still from then on."""
    run_id = until(lambda: one(watch, "select max(run_id) from ops.run"))
    with closing(psycopg2.connect(house.serving)) as holding, holding.cursor() as cursor:
        cursor.execute("select 1 from ops.run where run_id = %s for no key update", (run_id,))
        killed = blocked_task(watch, "c360 publish")
        killed.kill()
        orphan = blocked_task(watch, "c360 publish", besides=killed)
        supervisor = supervisor_of(orphan)
        supervisor.kill()
        until(lambda: None if orphan.ppid() == supervisor.pid else True)  # a suspended one would be ended with it
        orphan.suspend()
    text = "select 1 from pg_stat_activity where application_name = 'c360 publish' and state = 'idle in transaction'"
    until(lambda: one(watch, text))
    assert one(watch, "select publication_id from ops.publication_pointer") == 0
    return orphan


# Looking ------------------------------------------------------------------------------------------


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it is not None."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def one(watch: Any, text: str, *values: object) -> Any:
    """The first value of the first row, or None."""
    watch.execute(text, values)
    found = watch.fetchone()
    return found[0] if found else None


def task_behind(port: int | None) -> psutil.Process | None:
    """The process that talks to the database from this port: one try of one task, and none that it forked."""
    if port is None:
        return None
    holding = {each.pid for each in psutil.net_connections("tcp4") if each.laddr and each.laddr.port == port}
    for pid in sorted(holding - {None}):
        with suppress(psutil.NoSuchProcess):  # it ended since it was listed
            task = psutil.Process(pid)
            if task.ppid() not in holding:
                return task
    return None


def blocked_task(watch: Any, name: str, besides: psutil.Process | None = None) -> psutil.Process:
    """The task whose database session has this name, once it waits for a lock; a killed task's session may wait on."""
    text = "select client_port from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'"

    def found() -> psutil.Process | None:
        watch.execute(text, (name,))
        tasks = (task_behind(port) for (port,) in watch.fetchall())
        return next((task for task in tasks if task not in (None, besides)), None)

    task = until(found)
    assert isinstance(task, psutil.Process)
    return task


def supervisor_of(task: psutil.Process) -> psutil.Process:
    found = task.parent()
    assert found is not None
    return found


def unnamed_files(house: House) -> list[Path]:
    """What is written to the lake and has no name yet."""
    return [path for path in (house.home / "lake").rglob(".*.tmp") if path.stat().st_size]


def contents(settings: Settings) -> dict[str, str]:
    """Hash of every mart as it is served."""
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        return {mart: publication.content_hash(connection, mart) for mart in store.published(cursor)}
