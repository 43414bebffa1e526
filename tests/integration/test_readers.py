"""Readers beside publications: never an empty or mixed state, and nobody waits for the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.marts import Column, MartError
from customer360.publish.store import ensure
from customer360.settings import Settings
from publishing import MARTS, publish, rows

NIGHTS = 25


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


class Reader(threading.Thread):
    """Looks again and again until told to stop; notes what no reader may see."""

    def __init__(self, url: str, level: str) -> None:
        super().__init__()
        self.url, self.level = url, level
        self.stop = threading.Event()
        self.wrong: list[Any] = []
        self.nights: set[int] = set()
        self.failed: BaseException | None = None

    def run(self) -> None:
        reader = psycopg2.connect(self.url)
        reader.set_session(isolation_level=self.level, readonly=True)
        try:
            while not self.stop.is_set():
                with reader.cursor() as cursor:
                    self.look(cursor)
                reader.commit()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            self.failed = error
        finally:
            reader.close()

    def look(self, cursor: Any) -> None:
        if self.level == "REPEATABLE READ":  # a transaction's statements see one publication
            seen = []
            for mart in MARTS:
                cursor.execute(f"select count(*), min(night), max(night) from serving.{mart.name}")
                seen.append(cursor.fetchone())
        else:  # one statement does, whatever it reads
            cursor.execute(
                "select (select count(*) from serving.beta), min(a.night), max(b.night)"
                " from serving.alpha a full join serving.beta b using (id)"
            )
            seen = [cursor.fetchone()]
        if len(set(seen)) > 1 or any(count != 200 or low != high for count, low, high in seen):
            self.wrong.append(seen)
        else:
            self.nights.add(seen[0][1])


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_readers_never_see_an_empty_or_mixed_state(settings: Settings, connection: Any, level: str) -> None:
    publish(connection, 0, rows(0))
    assert settings.serving_url is not None
    readers = [Reader(settings.serving_url, level) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for night in range(1, NIGHTS):
            publish(connection, night, rows(night))
            if night % 5 == 0:
                publication.rollback(connection)
            if night % 7 == 0:
                publication.prune(connection, keep=2)
    finally:
        for reader in readers:
            reader.stop.set()
        for reader in readers:
            reader.join()
    assert [reader.failed for reader in readers] == [None] * len(readers)
    assert [reader.wrong for reader in readers] == [[]] * len(readers)
    assert len(set.union(*(reader.nights for reader in readers))) > 3  # they did look meanwhile


def test_a_long_reader_blocks_no_night_and_keeps_what_it_saw(settings: Settings, connection: Any) -> None:
    publish(connection, 1, rows(1))
    with postgres.connect(settings, application_name="long reader") as reader:
        reader.set_session(isolation_level="REPEATABLE READ")
        with reader.cursor() as cursor:
            cursor.execute("select min(night) from serving.alpha")
            for night in (2, 3):
                ensure(connection, MARTS)
                publish(connection, night, rows(night))
            publication.rollback(connection)
            cursor.execute("select min(night), max(night), count(*) from serving.beta")
            assert cursor.fetchone() == (1, 1, 200)
        reader.rollback()


def test_a_night_in_the_middle_of_its_load_blocks_no_reader(settings: Settings, connection: Any) -> None:
    publish(connection, 1, rows(1))
    with (
        postgres.connect(settings, application_name="loads") as loader,
        postgres.connect(settings, application_name="reads", statement_timeout_s=20) as reader,
    ):
        loader.set_session(isolation_level="READ COMMITTED")
        with loader.cursor() as writing, reader.cursor() as reading:
            writing.execute("update store.alpha set valid_to = 2 where valid_to is null")
            writing.execute("update ops.publication_pointer set publication_id = 2")
            reading.execute("select count(*), max(night) from serving.alpha")
            assert reading.fetchone() == (200, 1)
        loader.rollback()


def test_a_new_definition_waits_for_a_reader_in_short_tries_and_says_so_if_it_must_give_up(
    settings: Settings, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(connection, 1, rows(1))
    wider = [replace(mart, columns=(*mart.columns, Column("extra", "integer", ""))) for mart in MARTS]
    with postgres.connect(settings, application_name="long reader") as reader, reader.cursor() as cursor:
        cursor.execute("select count(*) from serving.alpha")
        monkeypatch.setattr("customer360.publish.store._TRIES", 1)
        with pytest.raises(MartError, match="readers hold its view"):
            ensure(connection, wider)
        with postgres.connect(settings, application_name="short reader") as other, other.cursor() as second:
            second.execute("select count(*) from serving.alpha")  # nobody queues behind the one that gave up
            assert second.fetchone() == (200,)
        monkeypatch.undo()
        threading.Timer(3, reader.cancel).start()
        threading.Timer(3, reader.rollback).start()
        ensure(connection, wider)
    with connection.cursor() as cursor:
        cursor.execute("select count(*), count(extra) from serving.alpha")
        assert cursor.fetchone() == (200, 0)
