"""The way back: earlier publications served again, the next ones on top of them, old rows forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.store import ensure
from customer360.settings import Settings
from publishing import MARTS, begin, candidate, hashes, publish, rows


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def statuses(connection: Any) -> list[str]:
    """Of all publications, oldest first."""
    return [found.status for found in reversed(publication.publications(connection))]


def test_back_and_the_publication_after_it(connection: Any) -> None:
    publish(connection, 1, rows(1))
    first = hashes(connection)
    publish(connection, 2, rows(2))
    second = hashes(connection)
    publication.rollback(connection)
    assert hashes(connection) == first
    assert statuses(connection) == ["published", "rolled_back"]
    assert publish(connection, 2, rows(2)).changes["beta"].changed == 200
    assert hashes(connection) == second
    publication.rollback(connection)
    assert hashes(connection) == first


def test_back_over_several_to_a_named_one(connection: Any) -> None:
    served = []
    for night in range(1, 5):
        made = publish(connection, night, rows(night, 200 + 10 * night))
        served.append((made.publication_id, hashes(connection)))
    target, content = served[1]
    assert publication.rollback(connection, to=target).publication_id == target
    assert hashes(connection) == content
    assert statuses(connection) == ["superseded", "published", "rolled_back", "rolled_back"]
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection, to=served[3][0])
    connection.rollback()
    publish(connection, 5, rows(4, 240))
    assert hashes(connection) == served[3][1]
    publication.rollback(connection)
    assert hashes(connection) == content


def test_a_candidate_loaded_before_the_way_back_is_whole_when_published_after_it(connection: Any) -> None:
    publish(connection, 1, rows(1))
    publish(connection, 2, rows(2))
    run = begin(connection, 3)
    made = candidate(connection, run, rows(2, 150))  # 150 rows as publication 2 has them, 50 gone
    publication.rollback(connection)
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    with connection.cursor() as cursor:
        cursor.execute("select count(*), min(night), max(night) from serving.alpha")
        assert cursor.fetchone() == (150, 2, 2)
    connection.commit()
    publish(connection, 4, rows(4))
    publication.rollback(connection)
    with connection.cursor() as cursor:
        cursor.execute("select count(*), min(night), max(night) from serving.beta")
        assert cursor.fetchone() == (150, 2, 2)


def test_there_is_no_way_back_from_the_first(connection: Any) -> None:
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection)
    connection.rollback()
    publish(connection, 1, rows(1))
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection)


def test_pruning_keeps_what_is_served_and_what_can_be_gone_back_to(connection: Any) -> None:
    content = []
    for night in range(1, 5):
        publish(connection, night, rows(night))
        content.append(hashes(connection))
    assert publication.prune(connection, keep=2)["rows"] == 2 * 2 * 200
    assert hashes(connection) == content[3]
    assert statuses(connection) == ["pruned", "pruned", "superseded", "published"]
    publication.rollback(connection)
    assert hashes(connection) == content[2]
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection)


def test_pruning_after_the_way_back_keeps_the_served_and_asks_for_nothing_on_an_empty_store(connection: Any) -> None:
    assert publication.prune(connection, keep=3) == {"rows": 0}
    for night in range(1, 4):
        publish(connection, night, rows(night))
    first = publication.publications(connection)[-1].publication_id
    publication.rollback(connection, to=first)
    served = hashes(connection)
    publication.prune(connection, keep=1)
    assert hashes(connection) == served
    publish(connection, 4, rows(4))
    publication.rollback(connection)
    assert hashes(connection) == served


def test_nobody_can_go_back_to_a_publication_that_is_being_pruned(settings: Settings, connection: Any) -> None:
    publish(connection, 1, rows(1))
    publish(connection, 2, rows(2))
    publish(connection, 3, rows(3))
    served = hashes(connection)
    with (
        postgres.connect(settings, application_name="holds a row") as holder,
        postgres.connect(settings, application_name="prunes") as pruner,
        holder.cursor() as cursor,
    ):
        cursor.execute("select 1 from store.alpha where valid_to = 2 for update")  # the removal has to wait
        with pytest.raises(Exception, match="lock timeout"):
            publication.prune(pruner, keep=1)
        pruner.rollback()
        holder.rollback()
    with pytest.raises(publication.PublicationRefused):
        publication.rollback(connection)
    connection.rollback()
    assert hashes(connection) == served
    assert publication.prune(connection, keep=1)["rows"] == 2 * 2 * 200
