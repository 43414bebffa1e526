"""Runs and their fence: only the newest attempt of the newest run may commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

_SESSION_ENDED = "57P01"
_COMMITTING = (360, 1)  # advisory lock of the transaction that writes; whoever waits for it is newer or too late


class Fenced(RuntimeError):
    """A newer run or a newer attempt has begun; this one must write nothing more."""


@dataclass(frozen=True, slots=True)
class Run:
    """The right to write for one night, until somebody newer takes it."""

    run_id: int
    as_of: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Metric:
    """What one step of one run cost."""

    run_id: int
    as_of: datetime
    state: str
    stage: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float
    rows_sent: int
    bytes_sent: int


def open_run(connection: Connection, as_of: datetime, engine: str, trigger: str) -> Run:
    """Begin a run; every earlier one is fenced from now on, and what it was writing is undone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.run (as_of, engine, trigger) values (%s, %s, %s) returning run_id",
            (as_of, engine, trigger),
        )
        (run_id,) = _one(cursor)
        cursor.execute(
            "update ops.run set state = 'fenced' where state in ('running', 'awaiting_approval') and run_id < %s",
            (run_id,),
        )
        cursor.execute("update ops.fence set run_id = %s, attempt = attempt + 1 returning attempt", (run_id,))
        (attempt,) = _one(cursor)
    connection.commit()
    _end_older(connection)
    return Run(run_id, as_of, attempt)


def take_attempt(connection: Connection, run_id: int, as_of: datetime) -> Run:
    """A fresh attempt at the same run: a task that is retried fences its own orphan.

    Raises Fenced if a newer run has begun.
    """
    with connection.cursor() as cursor:
        cursor.execute("update ops.fence set attempt = attempt + 1 where run_id = %s returning attempt", (run_id,))
        found = cursor.fetchone()
    connection.commit()
    if found is None:
        raise Fenced(f"run {run_id}: a newer run has begun")
    _end_older(connection)
    return Run(run_id, as_of, found[0])


def guard(cursor: Any, run: Run) -> None:
    """Hold the fence until the transaction ends. Raises Fenced if `run` is not the newest attempt.

    An attempt that begins meanwhile ends this session: nothing an older attempt wrote is ever committed
    after the newer one has its number.
    """
    cursor.execute("select pg_advisory_xact_lock(%s, %s)", _COMMITTING)
    cursor.execute("select run_id, attempt from ops.fence")
    if cursor.fetchone() != (run.run_id, run.attempt):
        raise Fenced(f"run {run.run_id}, attempt {run.attempt}: a newer one has begun")


@contextmanager
def committing(connection: Connection, run: Run) -> Iterator[Any]:
    """A cursor in a transaction under the fence, committed at the end and undone by any error.

    Raises Fenced, also when this session is ended in the middle, as a newer attempt does.
    """
    try:
        with connection.cursor() as cursor:
            guard(cursor, run)
            yield cursor
        connection.commit()
    except psycopg2.Error as error:
        if error.pgcode == _SESSION_ENDED or connection.closed:
            raise Fenced(
                f"run {run.run_id}, attempt {run.attempt}: its session was ended: a newer one has begun,"
                " or the server went away"
            ) from None
        raise
    finally:
        if not connection.closed:
            connection.rollback()  # nothing, after the commit


def _end_older(connection: Connection) -> None:
    """End the sessions of older attempts that still write (a killed task's orphan, a run of this minute).

    They could commit nothing any more, but would keep the newer attempt waiting for their locks.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(a.pid) from pg_locks l join pg_stat_activity a using (pid)"
            " where l.locktype = 'advisory' and l.classid = %s and l.objid = %s and l.objsubid = 2 and l.granted"
            " and a.datname = current_database() and a.usename = current_user and a.pid <> pg_backend_pid()",
            _COMMITTING,
        )
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", _COMMITTING)
    connection.commit()


def set_state(connection: Connection, run_id: int, state: str) -> None:
    """Note where the run stands; 'published' and 'failed' end it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update ops.run set state = %s, finished_at = case when %s in ('published', 'failed')"
            " then clock_timestamp() end where run_id = %s and state <> 'fenced'",
            (state, state, run_id),
        )
    connection.commit()


def stage_metric(
    connection: Connection,
    run_id: int,
    stage: str,
    *,
    rows: int,
    seconds: float,
    cpu_s: float,
    peak_mb: float,
    rows_sent: int = 0,
    bytes_sent: int = 0,
) -> None:
    """Record what a step cost: rows it handled, seconds, CPU seconds, peak resident MB of a process, and what
    it sent to serving."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.run_metrics (run_id, stage, rows, seconds, cpu_s, peak_mb, rows_sent, bytes_sent)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (run_id, stage, rows, seconds, cpu_s, peak_mb, rows_sent, bytes_sent),
        )
    connection.commit()


def run_metrics(connection: Connection, limit: int = 10) -> list[Metric]:
    """Steps of the newest `limit` runs, newest run first, steps in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select r.run_id, r.as_of, r.state, m.stage, m.rows, m.seconds, m.cpu_s, m.peak_mb,"
            " m.rows_sent, m.bytes_sent"
            " from (select * from ops.run order by run_id desc limit %s) r join ops.run_metrics m using (run_id)"
            " order by r.run_id desc, m.recorded_at",
            (limit,),
        )
        return [Metric(*found) for found in cursor]


def _one(cursor: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = cursor.fetchone()
    return found
