"""Reviewing and undoing on a real Postgres and a real engine: the queue, the command line, and nights that follow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from customer360 import reviews
from customer360.identity import decisions, review
from customer360.keys import record_key
from customer360.settings import Settings
from customer360.site import build_site
from house import PEOPLE
from integration.test_night import NIGHT, ingest, query, run

DAY = timedelta(days=1)
ANA, SLIP, BEN = (record_key("people", "contact", number) for number in "123")


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    opened = psycopg2.connect(settings.serving_url)
    yield opened
    opened.close()


def pairs(*rows: tuple[int, int, float | None]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"record_key_a": a, "record_key_b": b, "probability": p, "reason": "alike"} for a, b, p in rows], review.PAIRS
    )


# The queue ----------------------------------------------------------------------------------------


def test_the_same_night_again_leaves_the_queue_as_it_is(connection: Any) -> None:
    with connection.cursor() as cursor:
        assert review.put(cursor, NIGHT, pairs((1, 2, 0.6), (4, 3, 0.9), (3, 4, 0.7), (5, 5, 0.5))) == 2
        first = review.open_pairs(cursor)
        assert [(each.record_key_a, each.record_key_b, each.probability) for each in first] == [
            (3, 4, 0.9),
            (1, 2, 0.6),
        ]
        assert review.put(cursor, NIGHT, pairs((1, 2, 0.6), (3, 4, 0.9))) == 0
        assert review.open_pairs(cursor) == first
        assert review.put(cursor, NIGHT, pairs((3, 4, 0.9), (1, 7, None))) == 1
        assert [each.record_key_b for each in review.open_pairs(cursor)] == [4, 7]


def test_what_waits_or_was_decided_is_not_asked_again(connection: Any) -> None:
    with connection.cursor() as cursor:
        review.put(cursor, NIGHT, pairs((1, 2, 0.6), (3, 4, 0.9)))
        first, second = review.open_pairs(cursor)
        taken = review.answer(cursor, first.review_id, "cannot_link", "Rita", "two birth dates")
        assert review.put(cursor, NIGHT + DAY, pairs((1, 2, 0.7), (3, 4, 0.9))) == 0
        assert review.open_pairs(cursor) == [second]
        assert review.put(cursor, NIGHT, pairs()) == 0
        decided = review.find(cursor, first.review_id)
        assert (decided.status, decided.decision_id) == ("rejected", taken.decision_id), "a decision is taken out again"


def test_a_pair_is_decided_once_and_by_somebody_who_says_why(connection: Any) -> None:
    with connection.cursor() as cursor:
        review.put(cursor, NIGHT, pairs((1, 2, 0.6)))
        (asked,) = review.open_pairs(cursor)
        for reviewer, reason in (("", "why"), ("Rita", "  ")):
            with pytest.raises(ValueError, match="a reviewer and a reason"):
                review.answer(cursor, asked.review_id, "must_link", reviewer, reason)
        review.decide(cursor, "must_link", 2, 1, "Rita", "she said so")
        assert review.find(cursor, asked.review_id).status == "confirmed"
        with pytest.raises(ValueError, match="confirmed already"):
            review.answer(cursor, asked.review_id, "cannot_link", "Rita", "on second thoughts")
        with pytest.raises(ValueError, match="no review 99"):
            review.answer(cursor, 99, "must_link", "Rita", "why")
        with pytest.raises(ValueError, match="two different records"):
            review.decide(cursor, "must_link", 1, 1, "Rita", "why")
        with pytest.raises(ValueError, match="one of"):
            review.decide(cursor, "drop table", 1, 2, "Rita", "why")


def test_the_newest_of_contradicting_decisions_wins_and_says_so(connection: Any) -> None:
    with connection.cursor() as cursor:
        first = decisions.decide(cursor, "must_link", 1, 2, "Rita", "same")
        decisions.decide(cursor, "must_link", 2, 3, "Rita", "same")
        third = decisions.decide(cursor, "cannot_link", 1, 3, "Rita", "not the same")
        assert third.overrules == (first.decision_id,), "the oldest of the three gives way"
        by_kind = [(row["kind"], row["is_overruled"]) for row in decisions.standing(cursor).to_pylist()]
        assert by_kind == [("cannot_link", False), ("must_link", False), ("must_link", True)]
        again = decisions.decide(cursor, "must_link", 3, 1, "Otto", "the same after all")
        assert again.overrules == ()
        assert [row["kind"] for row in decisions.standing(cursor).to_pylist()] == ["must_link"] * 3
        cursor.execute("select count(*) from ops.identity_decision")
        assert cursor.fetchone() == (4,), "nothing is ever deleted"


def test_a_decision_counts_after_the_newest_night_that_began(settings: Settings, connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.run (as_of, engine, trigger, state) values (%s, 'duckdb', 'test', 'running'),"
            " (%s, 'duckdb', 'a slip of the hand', 'fenced')",
            (NIGHT, NIGHT + 1000 * DAY),
        )
        decisions.decide(cursor, "must_link", 1, 2, "Rita", "same")
        assert decisions.standing(cursor, NIGHT).num_rows == 0
        assert decisions.standing(cursor, NIGHT + DAY).num_rows == 1
        assert decisions.touched_since(cursor, NIGHT, NIGHT + DAY)["is_new"].to_pylist() == [True]
        assert decisions.touched_since(cursor, NIGHT + DAY, NIGHT + 2 * DAY)["is_new"].to_pylist() == [False]
    connection.commit()
    other = psycopg2.connect(settings.serving_url)
    try:
        with connection.cursor() as beginning, other.cursor() as cursor:
            beginning.execute(
                "insert into ops.run (as_of, engine, trigger) values (%s, 'duckdb', 'test')", (NIGHT + DAY,)
            )
            cursor.execute("set statement_timeout = '30s'")
            with pytest.raises(ValueError, match="a night is beginning"):
                decisions.decide(cursor, "must_link", 3, 4, "Rita", "same")
    finally:
        other.close()


# Nights that follow -------------------------------------------------------------------------------


def deliver(settings: Settings, name: str, *rows: str) -> None:
    folder = Path(settings.landing) / "people"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(["id,name,mail", *rows]) + "\n", "utf-8")
    os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def published(settings: Settings) -> Settings:
    """One mailbox on two records of one name, which makes them one customer, and somebody else."""
    settings.sources.write_text(PEOPLE, "utf-8")
    deliver(settings, "a.csv", "1,Ana Ruiz,ana@example.com", "2,Ana Ruiz,ana@example.com", "3,Ben Ott,ben@example.com")
    ingest(NIGHT)
    run(NIGHT)
    return settings


def served(settings: Settings) -> dict[int, int]:
    return dict(query(settings, "select record_key, customer_id from customer_identity_map"))


def c360(*arguments: str, succeeds: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from customer360.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert (done.returncode == 0) == succeeds, done.stderr
    return done.stdout if succeeds else done.stderr


def test_an_unmerge_survives_the_next_night_late_data_and_a_rebuild(published: Settings) -> None:
    before = served(published)
    assert before[ANA] == before[SLIP] != before[BEN]
    said = c360("unmerge", "people/contact/2", "--reviewer", "Rita", "--reason", "typed the wrong address")
    assert "decision 1" in said
    run(NIGHT + DAY)
    after = served(published)
    assert after[ANA] == before[ANA]
    assert after[SLIP] not in {after[ANA], after[BEN]}
    events = query(
        published,
        f"select kind, customer_id, other_customer_id, reason from ops.identity_event where as_of > '{NIGHT}'",
    )
    assert ("split", after[SLIP], after[ANA], "cannot_link: decision 1") in events
    changed = {customer for _, customer, *_ in events}
    assert {after[record] for record in after if after[record] != before.get(record)} <= changed, "no id without event"

    deliver(published, "b.csv", "4,Ana Ruiz,ana@example.com", "2,Ana Ruiz,ana@example.com")
    ingest(NIGHT + 2 * DAY)
    night = run(NIGHT + 2 * DAY)
    assert night["is_slice"]
    late = served(published)
    assert {record: late[record] for record in after} == after
    assert late[record_key("people", "contact", "4")] == after[ANA]
    c360("rebuild")
    assert served(published) == late


def test_a_link_survives_and_its_undoing_brings_the_old_customer_back_under_a_new_id(published: Settings) -> None:
    before = served(published)
    c360("link", str(ANA), "people/contact/3", "--reviewer", "Rita", "--reason", "married, took his name")
    run(NIGHT + DAY)
    after = served(published)
    assert after[ANA] == after[BEN] == after[SLIP]
    assert after[ANA] in before.values()
    c360("rebuild")
    assert served(published) == after
    (event,) = query(published, "select kind, reason from ops.identity_event where kind = 'merged'")
    assert event == ("merged", "must_link: decision 1")
    c360("unmerge", "people/contact/3", str(ANA), "--reviewer", "Rita", "--reason", "no, another Ana")
    run(NIGHT + 2 * DAY)
    undone = served(published)
    assert undone[ANA] == undone[SLIP] != undone[BEN]
    run(NIGHT + DAY)  # the past night knows the first decision only
    assert len(set(served(published).values())) == 1


def test_a_night_tells_where_fields_come_from_what_identity_did_and_what_was_published(published: Settings) -> None:
    customer = served(published)[ANA]
    shown = c360("explain", str(customer))
    assert "full_name" in shown
    assert "agreed" in shown, "two records of one name"
    figures = dict(query(published, "select part, figure from identity_quality where measure = 'events'"))
    assert figures == {"created": 2, "merged": 0, "split": 0, "retired": 0}
    assert query(
        published, "select remark from identity_quality where measure = 'precision' and part = 'estimate'"
    ) == [("too few to say: 0 of 50",)]
    (audit,) = query(published, "select record_key_a, record_key_b from ops.identity_review where reason = 'audit'")
    assert set(audit) == {ANA, SLIP}
    assert query(published, f"select count(*) from serving.customer_360_at('{NIGHT}')") == [(2,)]
    with pytest.raises(psycopg2.errors.RaiseException, match="nothing was published"):
        query(published, f"select count(*) from serving.customer_360_at('{NIGHT - DAY}')")
    page = build_site(published, with_dbt_docs=False).read_text("utf-8")
    assert "Who is who" in page
    assert "too few to say: 0 of 50" in page


def test_the_command_line_lists_shows_and_decides_without_showing_values(published: Settings) -> None:
    with psycopg2.connect(published.serving_url) as connection, connection.cursor() as cursor:
        review.put(cursor, NIGHT, pairs((ANA, BEN, 0.61)))
    ((review_id,),) = query(published, "select review_id from ops.identity_review where reason = 'alike'")
    number = str(review_id)
    assert "0.61" in c360("review")
    assert "0.61" not in c360("review", "--audit")
    masked, revealed = c360("review", "show", number), c360("review", "show", number, "--reveal")
    assert "example.com" not in masked
    assert "Ruiz" not in masked
    assert "ana@example.com" in revealed
    assert "differs" in masked
    assert "same or different" in c360("review", "decide", number, "maybe", "--reason", "x", succeeds=False)
    c360("review", "decide", number, "different", "--reviewer", "Rita", "--reason", "different people")
    assert "0.61" not in c360("review")
    error = c360("review", "decide", number, "same", "--reviewer", "Rita", "--reason", "x", succeeds=False)
    assert error.strip() == f"c360: review {number} is rejected already, by decision 1"
    for arguments, text in (
        (("unmerge", "people/contact/99"), "no record people/contact/99"),
        (("unmerge", "what"), "as source/kind/id"),
        (("unmerge", str(BEN)), "its customer's only one"),
        (("link", str(BEN)), "two records or more"),
        (("link", str(BEN), str(BEN)), "two different records"),
        (("review", "show", "77"), "no review 77"),
    ):
        options = () if arguments[0] == "review" else ("--reviewer", "Rita", "--reason", "x")
        error = c360(*arguments, *options, succeeds=False)
        assert text in error
        assert len(error.strip().splitlines()) == 1


def test_what_airflow_offers_is_masked_and_its_answers_are_written_down(published: Settings) -> None:
    with psycopg2.connect(published.serving_url) as connection, connection.cursor() as cursor:
        review.put(cursor, NIGHT, pairs((ANA, BEN, 0.61), (SLIP, 12345, 0.55)))
    first, second = reviews.offers()
    names = ["A·a R··z", "B·n O·t"] if ANA < BEN else ["B·n O·t", "A·a R··z"]
    assert f"| full_name | {' | '.join(names)} | differs |" in first["body"]
    assert "ana@example" not in str([first, second])
    assert "Ruiz" not in str([first, second])
    answer = {"chosen_options": [reviews.DIFFERENT], "params_input": {"reason": "no"}}
    assert reviews.record(second["review_id"], answer | {"chosen_options": [reviews.LATER]}) == "open"
    assert reviews.record(second["review_id"], answer | {"responded_by_user": None}) == "open", "silence decided"
    assert reviews.record(first["review_id"], answer | {"responded_by_user": {"id": "1", "name": "rita"}}) == "rejected"
    again = answer | {"chosen_options": [reviews.SAME], "responded_by_user": {"id": "2", "name": "otto"}}
    assert reviews.record(first["review_id"], again) == "rejected", "decided twice"
    assert query(published, "select reviewer, reason, kind from ops.identity_decision") == [
        ("rita", "no", "cannot_link")
    ]
    assert [each["review_id"] for each in reviews.offers()] == [second["review_id"]]
