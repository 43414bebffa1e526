"""Decisions are kept by nights of slices, by full builds and by past nights alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from customer360 import postgres
from customer360.engines import open_engine
from customer360.identity import decisions, review
from customer360.settings import Settings
from slices.company import Company
from slices.taught import teach
from slices.test_slices import FIRST, SOURCES, _use, build, differing, marts, serve

DAY = timedelta(days=1)


def customers(settings: Settings) -> dict[int, int]:
    """{record_key: customer_id} of the last night."""
    with open_engine(settings) as engine:
        rows = engine.read(f"select record_key, customer_id from {engine.qualify('identity', 'customer_record')}")
        return dict(zip(*(rows.column(name).to_pylist() for name in rows.column_names), strict=True))


def decide_at_random(settings: Settings, pick: random.Random, count: int) -> None:
    """Part some records of one customer and join some of two; now and then against an earlier decision."""
    of = customers(settings)
    members: dict[int, list[int]] = {}
    for record in sorted(of):
        members.setdefault(of[record], []).append(record)
    several = [each for each in members.values() if len(each) > 1]
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        for _ in range(count):
            record, other = pick.sample(pick.choice(several), 2)
            leaving = pick.choice((None, record))
            review.decide(cursor, "cannot_link", record, other, "tester", "at random", leaving=leaving)
            record, other = (pick.choice(members[each]) for each in pick.sample(sorted(members), 2))
            review.decide(cursor, "must_link", record, other, "tester", "at random")
        connection.commit()


def queue(settings: Settings) -> list[tuple[int, int]]:
    """Pairs that wait."""
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        return sorted((each.record_key_a, each.record_key_b) for each in review.open_pairs(cursor))


def assert_kept(settings: Settings, as_of: datetime) -> int:
    """Every decision in force that nothing overrules holds; how many of them are about records that are there."""
    of = customers(settings)
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        standing = decisions.standing(cursor, as_of).to_pylist()
    held = 0
    for row in standing:
        one, other = of.get(row["record_key_a"]), of.get(row["record_key_b"])
        if row["is_overruled"] or one is None or other is None:
            continue
        assert (one == other) == (row["kind"] == "must_link"), row
        held += 1
    return held


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("engine", "seed", "nights"),
    [
        pytest.param("duckdb", 1, 4, marks=pytest.mark.slow),
        pytest.param("postgres", 4, 3, marks=pytest.mark.slow),
        pytest.param("duckdb", 3, 6, marks=pytest.mark.slow),
    ],
)
def test_decisions_are_kept_by_slices_as_by_full_builds(
    engine: str,
    seed: int,
    nights: int,
    settings: Settings,
    whole: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = replace(settings, engine=engine)
    settings.sources.write_text(SOURCES, "utf-8")
    company, pick = Company(Path(settings.lake), seed), random.Random(seed)
    teach(settings, FIRST)
    held = sliced = 0
    ever_asked: set[tuple[int, int]] = set()
    for number in range(nights):
        as_of = FIRST + number * DAY
        with postgres.connect(settings, application_name="test") as connection:
            company.night(connection, as_of, 160 if number == 0 else 12)
        _use(settings, monkeypatch)
        night = serve(settings, build(as_of))
        sliced += night["is_slice"]
        found = marts(settings)
        assert not differing(found, marts(settings, "serving")), "what is served is not what was built"
        held = assert_kept(settings, as_of)
        asked = queue(settings)
        ever_asked |= set(asked)
        _use(whole, monkeypatch)
        again = build(as_of)
        assert queue(settings) == asked, "a full build asks about other pairs than the slice"
        assert again["identity"]["rows_written"] == 0, "everything gives other customer ids than the slice"
        assert again["identity"]["overruled"] == night["identity"]["overruled"]
        assert not differing(found, marts(whole)), f"night {number}"
        with open_engine(whole) as other:
            other.reset()
        decide_at_random(settings, pick, 4)
    assert sliced == nights - 1
    assert ever_asked, "nobody was ever asked"
    assert held > 4, "hardly any decision was about records that were there"


def test_a_decision_counts_from_the_next_night_and_a_past_night_ignores_it(settings: Settings) -> None:
    settings.sources.write_text(SOURCES, "utf-8")
    company = Company(Path(settings.lake), 5)
    with postgres.connect(settings, application_name="test") as connection:
        company.night(connection, FIRST, 60)
    serve(settings, build(FIRST))
    before, first = customers(settings), marts(settings)
    record, other = _two_of_one(before)
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        decisions.decide(cursor, "cannot_link", record, other, "tester", "not the same person")
        connection.commit()

    serve(settings, build(FIRST))  # the same night again
    assert not differing(marts(settings), first)
    serve(settings, build(FIRST + DAY))
    after = customers(settings)
    assert after[record] != after[other]
    assert before[record] in {after[record], after[other]}, "one of the two keeps the customer's id"
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute("select reason from ops.identity_event where as_of = %s and kind = 'split'", (FIRST + DAY,))
        assert "cannot_link: decision 1" in {reason for (reason,) in cursor.fetchall()}
    serve(settings, build(FIRST))
    assert not differing(marts(settings), first), "a past night knows what was decided later"
    serve(settings, build(FIRST + 2 * DAY))
    assert after.items() <= customers(settings).items()


def _two_of_one(of: dict[int, int]) -> Sequence[int]:
    members: dict[int, list[int]] = {}
    for record in sorted(of):
        members.setdefault(of[record], []).append(record)
    return max(members.values(), key=len)[:2]
