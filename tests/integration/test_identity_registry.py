"""The registry of ids on a real Postgres: nights in order, again, late and killed; and what `explain` says of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from customer360.engines import open_engine
from customer360.engines.base import Engine
from customer360.identity import registry
from customer360.identity.explain import explain
from customer360.identity.path import link_path
from customer360.identity.resolve import INPUTS, IdentityResult, resolve
from customer360.settings import Settings
from unit.identity_case import NIGHT, OWN, Rec, inputs

ANA, COOKIE = ("email", "ana@example.com"), ("cookie", "c1")
FIRST = [Rec("a", "contact", [ANA], "Ana Ruiz"), Rec("v", "interaction", [COOKIE])]
SECOND = [*FIRST, Rec("w", "interaction", [COOKIE, ANA])]
NEXT = NIGHT + timedelta(days=1)
TABLES = ("customer", "identity_assignment", "customer_alias", "identity_event")


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with open_engine(settings) as opened:
        yield opened


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    opened = psycopg2.connect(settings.serving_url)
    yield opened
    opened.close()


def stage(engine: Engine, records: Sequence[Rec]) -> None:
    """What dbt would have built from `records`, for the identity step and for `explain`."""
    made = inputs(records)
    for name, rows in made.items():
        engine.write("intermediate", INPUTS[name], rows)
    facts = {row["identifier_key"]: row for row in made["identifiers"].to_pylist()}
    columns = ("identifier_type", "identifier_value", "is_valid")
    full = [
        row | {name: facts[row["identifier_key"]][name] for name in columns}
        for row in made["record_identifiers"].to_pylist()
    ]
    engine.write("intermediate", "identifier", pa.Table.from_pylist(full))


def night(engine: Engine, connection: Any, records: Sequence[Rec], as_of: Any = NIGHT) -> IdentityResult:
    stage(engine, records)
    return resolve(engine, connection, as_of, OWN)


def content(connection: Any) -> dict[str, list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"select * from ops.{table} order by 1, 2, 3")
            found[table] = cursor.fetchall()
    connection.rollback()
    return found


def customers(engine: Engine) -> dict[int, int]:
    rows = engine.read(f"select * from {engine.qualify('identity', 'customer_record')}").to_pylist()
    return {row["record_key"]: row["customer_id"] for row in rows}


def test_the_same_night_again_writes_nothing_and_answers_the_same(engine: Engine, connection: Any) -> None:
    first = night(engine, connection, FIRST)
    assert (first.customers, first.created, first.rows_written) == (2, 2, 6)
    before, answer = content(connection), customers(engine)
    again = night(engine, connection, FIRST)
    assert (again.customers, again.rows_written) == (2, 0)
    assert content(connection) == before  # event ids and all
    assert customers(engine) == answer


def test_a_night_that_is_tried_again_with_other_files_undoes_its_first_try(engine: Engine, connection: Any) -> None:
    night(engine, connection, FIRST)
    before = content(connection)
    assert night(engine, connection, SECOND, NEXT).merged == 1
    assert night(engine, connection, FIRST, NEXT).merged == 0
    assert content(connection) == before
    assert night(engine, connection, FIRST[:1], NEXT).retired == 1
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from ops.customer where retired_as_of = %s", (NEXT,))
        assert cursor.fetchone() == (1,)
    connection.rollback()
    night(engine, connection, FIRST, NEXT)
    assert content(connection) == before


def test_a_past_night_is_resolved_as_it_was_and_not_written(engine: Engine, connection: Any) -> None:
    night(engine, connection, FIRST)
    then = customers(engine)
    night(engine, connection, SECOND, NEXT)
    before = content(connection)
    assert len(set(customers(engine).values())) == 1
    past = night(engine, connection, FIRST)
    assert (past.customers, past.rows_written) == (2, 0)
    assert customers(engine) == then
    assert content(connection) == before


def test_a_guard_that_refuses_leaves_the_registry_as_it_was(engine: Engine, connection: Any) -> None:
    night(engine, connection, FIRST)
    before = content(connection)

    def fenced(_: Any) -> None:
        raise RuntimeError("a newer attempt has begun")

    stage(engine, SECOND)
    with pytest.raises(RuntimeError, match="newer attempt"):
        resolve(engine, connection, NEXT, OWN, fenced)
    connection.rollback()
    assert content(connection) == before


KILLED = """
import sys, time
import psycopg2
from datetime import timedelta
from customer360.identity import registry
from customer360.identity.resolve import resolve_tables
from unit.identity_case import NIGHT, OWN, Rec, inputs

records = [Rec("a", "contact", [("email", "ana@example.com")], "Ana Ruiz"),
    Rec("v", "interaction", [("cookie", "c1")]), Rec("w", "interaction", [("cookie", "c1"), ("email", "ana@example.com")])]
connection = psycopg2.connect(sys.argv[1])
with connection.cursor() as cursor:
    at = NIGHT + timedelta(days=1)
    _, changes = resolve_tables(inputs(records), *registry.before(cursor, at), at, OWN)
    assert registry.write(cursor, at, changes) > 0
    print("written", flush=True)
    time.sleep(600)
"""


def test_a_step_killed_before_its_commit_leaves_the_old_registry(
    engine: Engine, connection: Any, settings: Settings
) -> None:
    night(engine, connection, FIRST)
    before = content(connection)
    paths = [str(settings.home / "plugins"), str(settings.home / "tests")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(settings.serving_url)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    while _others(connection):
        time.sleep(0.05)
    assert content(connection) == before
    assert night(engine, connection, SECOND, NEXT).merged == 1


def _others(connection: Any) -> int:
    """Sessions in this database beside our own: the server takes a moment to notice a killed client."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        (count,) = cursor.fetchone()
    connection.rollback()
    return int(count)


def test_migrating_an_older_registry_keeps_its_events(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("alter table ops.identity_event drop column evidence, drop column reason")
        cursor.execute("insert into ops.identity_event (as_of, kind, customer_id) values (%s, 'created', 7)", (NIGHT,))
        for statement in registry.DDL:
            cursor.execute(statement)
        cursor.execute("select kind, customer_id, evidence, reason from ops.identity_event")
        assert cursor.fetchall() == [("created", 7, None, None)]
    connection.rollback()


def test_explain_shows_how_a_customer_came_to_be_and_the_chain_between_two_records(
    engine: Engine, connection: Any
) -> None:
    night(engine, connection, FIRST)
    apart = customers(engine)
    night(engine, connection, SECOND, NEXT)
    now = customers(engine)[FIRST[0].key]
    gone = ({apart[FIRST[0].key], apart[FIRST[1].key]} - {now}).pop()
    found = explain(engine, connection, gone, reveal=True)
    assert (found.customer_id, found.asked_for, found.aliases) == (now, gone, [gone])
    assert {(kind, value, name) for kind, value, name, *_ in found.identifiers} == {
        ("email", "ana@example.com", "private"),
        ("cookie", "c1", "private"),
    }
    night_, kind, other, reason, identifier = found.events[-1]
    assert (night_, kind, other, reason) == (NEXT, "merged", gone, "on one record")
    assert identifier in {"cookie c1", "email ana@example.com"}
    steps = link_path(engine, ("s", "contact", "a"), ("s", "interaction", "v"), reveal=True)
    assert [(step.identifier_value, step.identifier_class) for step in steps] == [
        ("ana@example.com", "private"),
        ("c1", "private"),
    ]
    masked = link_path(engine, ("s", "contact", "a"), ("s", "interaction", "v"))
    assert "ana@example.com" not in {step.identifier_value for step in masked}
    assert "ana@example.com" not in str(explain(engine, connection, now))


def test_records_of_two_customers_have_no_chain(engine: Engine, connection: Any) -> None:
    night(engine, connection, FIRST)
    with pytest.raises(ValueError, match="two customers"):
        link_path(engine, ("s", "contact", "a"), ("s", "interaction", "v"))
    with pytest.raises(ValueError, match="has no customer"):
        link_path(engine, ("s", "contact", "a"), ("s", "interaction", "nowhere"))
    with pytest.raises(ValueError, match="no customer 12"):
        explain(engine, connection, 12)
