"""What was published on any past night: the view of all rows, and the function that gives one night's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from customer360.publish import publication, store
from customer360.settings import Settings
from publishing import MARTS, NIGHT, begin, candidate, publish, rows

DAYS = "timestamptz '2026-03-02 00:00+00' + interval '1 day' * "


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    opened = psycopg2.connect(settings.serving_url)
    store.ensure(opened, [replace(mart, history=True) for mart in MARTS])
    yield opened
    opened.close()


def nights(connection: Any, day: float) -> set[int]:
    """Which night's rows the function gives for `day` days after the first."""
    with connection.cursor() as cursor:
        cursor.execute(f"select night from serving.alpha_at({DAYS}{day})")
        found = {night for (night,) in cursor}
    connection.commit()
    return found


def test_each_night_is_given_as_it_was_published(connection: Any) -> None:
    for night in (0, 1, 3):
        publish(connection, night, rows(night))
    assert [nights(connection, day) for day in (0, 1, 2.5, 3, 40)] == [{0}, {1}, {1}, {3}, {3}]
    with pytest.raises(psycopg2.errors.RaiseException, match="nothing was published"):
        nights(connection, -1)
    connection.rollback()
    publish(connection, 1, rows(11))  # the past night again, published later
    assert [nights(connection, day) for day in (0, 1, 3)] == [{0}, {11}, {3}]
    with connection.cursor() as cursor:
        cursor.execute("select distinct night, night_from, night_until is null from serving.alpha_history order by 1")
        found = cursor.fetchall()
    assert [(night, ended) for night, _, ended in found] == [(0, False), (1, False), (3, False), (11, True)]
    assert found[0][1] == NIGHT


def test_what_is_no_longer_or_not_yet_served_is_not_shown(connection: Any) -> None:
    for night in (0, 1, 2):
        publish(connection, night, rows(night))
    candidate(connection, begin(connection, 3), rows(3))
    assert nights(connection, 3) == {2}, "a candidate is shown"
    publication.rollback(connection)
    assert nights(connection, 2) == {1}, "what was rolled back is shown"
    publish(connection, 4, rows(4))
    publication.prune(connection, 1)
    assert nights(connection, 4) == {4}
    with pytest.raises(psycopg2.errors.RaiseException, match="pruned"):
        nights(connection, 1)


def test_a_changed_mart_keeps_its_past(connection: Any) -> None:
    publish(connection, 0, rows(0))
    wider = [replace(mart, description="other", history=True) for mart in MARTS]
    store.ensure(connection, wider)
    assert nights(connection, 0) == {0}
