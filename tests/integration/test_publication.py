"""Publication on a real Postgres: nothing half, nothing mixed, and always a way back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg2
import pyarrow as pa
import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.candidate import Candidate, load
from customer360.publish.marts import Column, Mart, MartError
from customer360.publish.runs import Fenced, Run, open_run, take_attempt
from customer360.publish.store import ensure
from customer360.settings import Settings

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MARTS = tuple(
    Mart(
        name,
        f"mart {name}",
        ("id",),
        (Column("id", "bigint", "key"), Column("night", "bigint", "n"), Column("t", "text", "")),
    )
    for name in ("alpha", "beta")
)


def rows(night: int, count: int = 200) -> pa.Table:
    """Rows that all say which night they are of, with texts that are hard to copy."""
    texts = ["", None, 'say "x", then\nnew line', "ünï\tcode"]
    return pa.table(
        {
            "id": list(range(count)),
            "night": [night] * count,
            "t": pa.array([texts[n % 4] for n in range(count)], pa.string()),
        }
    )


def candidate(connection: object, run: Run, table: pa.Table) -> Candidate:
    return load(connection, run, "duckdb", [(mart, table) for mart in MARTS])  # type: ignore[arg-type]


def publish(connection: object, night: int, table: pa.Table) -> Candidate:
    run = open_run(connection, NIGHT + timedelta(days=night), "duckdb", "test")  # type: ignore[arg-type]
    made = candidate(connection, run, table)
    publication.record_gate(connection, run, made.publication_id, "pass", "")  # type: ignore[arg-type]
    publication.publish(connection, run, made.publication_id)  # type: ignore[arg-type]
    return made


@pytest.fixture
def connection(settings: Settings):  # type: ignore[no-untyped-def]
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def test_only_changed_rows_travel_and_the_same_content_changes_nothing(connection) -> None:  # type: ignore[no-untyped-def]
    first = publish(connection, 1, rows(1))
    assert first.changes["alpha"].as_dict() == {"total": 200, "inserted": 200, "changed": 0, "removed": 0}
    assert publish(connection, 1, rows(1)).changes["alpha"].changed_rows == 0
    mixed = pa.concat_tables([rows(1).slice(0, 150), rows(2, 250).slice(200)])
    assert publish(connection, 2, mixed).changes["alpha"].as_dict() == {
        "total": 200,
        "inserted": 50,
        "changed": 0,
        "removed": 50,
    }


def test_texts_arrive_as_they_were(connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 1, rows(1, 4))
    with connection.cursor() as cursor:
        cursor.execute("select t from serving.alpha order by id")
        assert [text for (text,) in cursor] == rows(1, 4).column("t").to_pylist()


def test_a_candidate_is_invisible_until_it_is_published(connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 1, rows(1))
    before = publication.content_hash(connection, "alpha")
    run = open_run(connection, NIGHT, "duckdb", "test")
    made = candidate(connection, run, rows(2))
    assert publication.content_hash(connection, "alpha") == before
    assert publication.content_hash(connection, "alpha", "candidate") != before
    with pytest.raises(publication.PublicationRefused, match="not been audited"):
        publication.publish(connection, run, made.publication_id)
    connection.rollback()
    publication.record_gate(connection, run, made.publication_id, "fail", "")
    with pytest.raises(publication.PublicationRefused, match="fail"):
        publication.publish(connection, run, made.publication_id, approved=True)
    connection.rollback()
    assert publication.content_hash(connection, "alpha") == before


def test_warnings_need_approval(connection) -> None:  # type: ignore[no-untyped-def]
    run = open_run(connection, NIGHT, "duckdb", "test")
    made = candidate(connection, run, rows(1))
    publication.record_gate(connection, run, made.publication_id, "warn", "")
    with pytest.raises(publication.PublicationRefused, match="warn"):
        publication.publish(connection, run, made.publication_id)
    connection.rollback()
    publication.publish(connection, run, made.publication_id, approved=True)
    assert publication.served(connection).publication_id == made.publication_id


def test_rollback_and_the_publication_after_it(connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 1, rows(1))
    first = publication.content_hash(connection, "beta")
    publish(connection, 2, rows(2))
    second = publication.content_hash(connection, "beta")
    publication.rollback(connection)
    assert publication.content_hash(connection, "beta") == first
    assert publish(connection, 2, rows(2)).changes["beta"].changed == 200
    assert publication.content_hash(connection, "beta") == second
    publication.rollback(connection)
    assert publication.content_hash(connection, "beta") == first


def test_pruning_keeps_what_is_served_and_what_can_be_gone_back_to(connection) -> None:  # type: ignore[no-untyped-def]
    for night in range(1, 5):
        publish(connection, night, rows(night))
    served = publication.content_hash(connection, "alpha")
    assert publication.prune(connection, keep=2)["rows"] == 2 * 2 * 200
    assert publication.content_hash(connection, "alpha") == served
    assert publication.rollback(connection) is not None
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection)


def test_a_newer_run_or_attempt_fences_the_older(connection) -> None:  # type: ignore[no-untyped-def]
    old = open_run(connection, NIGHT, "duckdb", "test")
    retried = take_attempt(connection, old.run_id, NIGHT)
    with pytest.raises(Fenced):
        candidate(connection, old, rows(1))
    connection.rollback()
    candidate(connection, retried, rows(1))
    open_run(connection, NIGHT, "duckdb", "test")
    with pytest.raises(Fenced):
        take_attempt(connection, old.run_id, NIGHT)


def test_rows_that_are_not_unique_are_refused(connection) -> None:  # type: ignore[no-untyped-def]
    run = open_run(connection, NIGHT, "duckdb", "test")
    with pytest.raises(MartError, match="1 keys"):
        candidate(connection, run, pa.concat_tables([rows(1), rows(1).slice(0, 1)]))


def test_readers_never_see_an_empty_or_mixed_state(settings: Settings, connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 0, rows(0))
    stop, wrong, looks = threading.Event(), [], [0, 0]

    def read(level: str, slot: int) -> None:
        reader = psycopg2.connect(settings.serving_url)
        reader.set_session(isolation_level=level, readonly=True)
        while not stop.is_set():
            with reader.cursor() as cursor:
                if level == "REPEATABLE READ":  # several statements see one publication
                    seen = []
                    for mart in ("alpha", "beta"):
                        cursor.execute(f"select count(*), min(night), max(night) from serving.{mart}")
                        seen.append(cursor.fetchone())
                else:  # one statement does
                    cursor.execute(
                        "select (select count(*) from serving.alpha), min(a.night), max(b.night)"
                        " from serving.alpha a join serving.beta b using (id)"
                    )
                    seen = [cursor.fetchone()]
                reader.commit()
            if len(set(seen)) > 1 or any(count != 200 or low != high for count, low, high in seen):
                wrong.append(seen)
            looks[slot] += 1
        reader.close()

    threads = [
        threading.Thread(target=read, args=(level, slot))
        for slot, level in enumerate(("READ COMMITTED", "REPEATABLE READ"))
    ]
    for thread in threads:
        thread.start()
    for night in range(1, 16):
        publish(connection, night, rows(night))
    publication.rollback(connection)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert min(looks) > 5


def test_a_long_reader_blocks_no_publication(settings: Settings, connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 1, rows(1))
    with postgres.connect(settings, application_name="long reader") as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        with reader.cursor() as cursor:
            cursor.execute("select min(night) from serving.alpha")
            ensure(connection, MARTS)
            publish(connection, 2, rows(2))
            cursor.execute("select min(night), count(*) from serving.beta")
            assert cursor.fetchone() == (1, 200)


WORKER = """
    import sys
    sys.path.insert(0, {folder!r})
    from test_publication import MARTS, candidate, rows
    from customer360 import postgres
    from customer360.publish import publication
    from customer360.publish.runs import open_run
    from customer360.settings import Settings
    from datetime import UTC, datetime
    with postgres.connect(Settings.from_env(), application_name="worker") as connection:
        run = open_run(connection, datetime(2026, 3, 3, tzinfo=UTC), "duckdb", "worker")
        print("begun", flush=True)
        made = candidate(connection, run, rows(2, 60_000))
        publication.record_gate(connection, run, made.publication_id, "pass", "")
        publication.publish(connection, run, made.publication_id)
        print("done", flush=True)
"""


def test_killed_at_any_moment_then_retried_equals_a_clean_run(settings: Settings, connection) -> None:  # type: ignore[no-untyped-def]
    publish(connection, 1, rows(1, 60_000))
    first = publication.content_hash(connection, "alpha")
    script = textwrap.dedent(WORKER).format(folder=os.path.dirname(__file__))  # noqa: PTH120
    random.seed(7)
    killed = 0
    for _ in range(6):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(random.uniform(0.01, 0.9))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        killed += "done" not in rest
        if "done" not in rest:
            assert publication.content_hash(connection, "alpha") in {first, _clean_hash()}
        connection.rollback()
    assert killed >= 2
    subprocess.run([sys.executable, "-c", script], check=True)
    assert publication.content_hash(connection, "alpha") == _clean_hash()
    assert publication.content_hash(connection, "beta") == _clean_hash()


def _clean_hash() -> str:
    """What `content_hash` gives for the worker's rows, computed without the store."""
    from hashlib import md5

    lines = []
    for row in rows(2, 60_000).to_pylist():
        text = "" if row["t"] is None else '"' + row["t"].replace('"', '""') + '"' if _quoted(row["t"]) else row["t"]
        lines.append(md5(f"({row['id']},{row['night']},{text})".encode(), usedforsecurity=False).hexdigest())
    return md5("".join(sorted(lines)).encode(), usedforsecurity=False).hexdigest()


def _quoted(text: str) -> bool:
    """Whether PostgreSQL quotes a text in a row's text form."""
    return text == "" or any(char in text for char in '",()\\ \t\n')
