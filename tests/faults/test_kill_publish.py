"""Kill -9 of a loading or publishing process at any moment, then a retry: served is what a clean run serves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.store import ensure
from customer360.settings import Settings
from publishing import MARTS, hashes, publish, rows

COUNT = 60_000
KILLS = 10
WORKER = textwrap.dedent(
    f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})
    from publishing import begin, candidate, rows
    from customer360 import postgres
    from customer360.publish import publication
    from customer360.settings import Settings
    table = rows(2, {COUNT})
    with postgres.connect(Settings.from_env(), application_name="worker") as connection:
        run = begin(connection, 1)
        print("loads", flush=True)
        made = candidate(connection, run, table)
        publication.record_gate(connection, run, made.publication_id, "pass", "")
        print("publishes", flush=True)
        publication.publish(connection, run, made.publication_id)
        print("done", flush=True)
    """
)


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def start() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    pytest.fail(f"the worker ended before it said {word!r}")


def kill(process: subprocess.Popen[str]) -> bool:
    """True if it was killed before it was done."""
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return "done" not in rest


def retry(connection: Any) -> list[str]:
    """What is served after a run that nobody kills."""
    subprocess.run([sys.executable, "-c", WORKER], check=True, stdout=subprocess.DEVNULL)
    return hashes(connection)


def test_killed_while_it_loads(settings: Settings, connection: Any) -> None:
    publish(connection, 0, rows(1, COUNT))
    before = hashes(connection)
    clean_s = time.monotonic()
    wait_for(process := start(), "publishes")
    process.communicate()
    clean_s = time.monotonic() - clean_s
    clean = hashes(connection)
    assert clean != before
    publication.rollback(connection)
    draw, killed = random.Random(7), 0
    for _ in range(KILLS):
        process = start()
        wait_for(process, "loads")
        time.sleep(draw.random() * clean_s)
        if kill(process):
            killed += 1
            assert hashes(connection) in (before, clean)
        if hashes(connection) == clean:  # it had committed, and only its word was lost: back, for the next
            publication.rollback(connection)
    assert killed >= 2
    assert hashes(connection) == before
    assert retry(connection) == clean
    publication.rollback(connection)
    assert hashes(connection) == before


def test_killed_while_it_publishes(settings: Settings, connection: Any) -> None:
    publish(connection, 0, rows(1, COUNT))
    before = hashes(connection)
    clean = retry(connection)
    assert clean != before
    publication.rollback(connection)
    left = []
    for number in range(KILLS):
        process = start()
        wait_for(process, "publishes")
        time.sleep(0.0005 * number)
        kill(process)
        left.append(hashes(connection))
        if left[-1] == clean:  # before its successor, back to where it began
            publication.rollback(connection)
        assert hashes(connection) == before
    assert all(content in (before, clean) for content in left)
    assert retry(connection) == clean
