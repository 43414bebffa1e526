"""Quality of identity: the audit sample and its answers, the alarms on a real candidate, the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2
import pyarrow as pa
import pytest

from customer360.identity import figures, review
from customer360.postgres import serving_url
from customer360.publish import candidate, publication, store
from customer360.publish.marts import Column, Mart
from customer360.quality.great_expectations import Table, run_suite
from customer360.quality.suites import load_suite
from customer360.settings import Settings
from publishing import NIGHT, begin

DAY = timedelta(days=1)
QUALITY = Mart(
    "identity_quality",
    "what identity did",
    ("measure", "part"),
    (
        Column("measure", "text", "measure"),
        Column("part", "text", "part"),
        Column("figure", "decimal(18, 6)", "figure"),
        Column("remark", "text", "remark"),
    ),
    history=True,
)
Figures = Mapping[tuple[str, str], float]
USUAL: Figures = {
    ("customers", "person"): 10_000,
    ("events", "merged"): 30,
    ("events", "split"): 10,
    ("identifiers", "private"): 9_900,
    ("identifiers", "generic"): 100,
    ("identifiers_before_the_cut", "largest"): 40,
    ("identifiers_of_a_customer", "largest"): 30,
    ("precision", "upper_bound"): 0.99,
}


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    opened = psycopg2.connect(settings.serving_url)
    yield opened
    opened.close()


# The audit ----------------------------------------------------------------------------------------


@pytest.fixture
def workspace() -> Iterator[duckdb.DuckDBPyConnection]:
    """4,096 customers of four records each, of which three describe a person; nobody is merely alike."""
    with duckdb.connect() as opened:
        opened.execute(
            """
            create table out_record as
            select ('0x' || left(md5(c || '-' || r), 15))::bigint - 500000000000000000 as record_key, c as customer_id, r
            from range(4096) c(c), range(4) r(r);
            create table record_profiles as select record_key from out_record where r < 3;
            create table out_customer as select distinct customer_id from out_record;
            create table similarity (record_key_a bigint, record_key_b bigint, probability double, is_link boolean,
                is_vetoed boolean)
            """
        )
        yield opened


def drawn(connection: Any) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        return sorted((each.record_key_a, each.record_key_b) for each in review.open_pairs(cursor, audit=True))


def test_the_audit_draws_pairs_of_one_customer_at_random_and_once(
    connection: Any, workspace: duckdb.DuckDBPyConnection
) -> None:
    with connection.cursor() as cursor:
        asked = review.ask(cursor, workspace, NIGHT)
        first = drawn(connection)
        assert asked == len(first)
        # One record in 16: 4,096 customers are between 16 and 32 times 200. Some pairs are drawn from both sides.
        assert 500 < asked < 768 + 100
        of = dict(
            workspace.sql(
                "select record_key, customer_id from out_record semi join record_profiles using (record_key)"
            ).fetchall()
        )
        assert all(of[a] == of[b] for a, b in first)
        assert review.ask(cursor, workspace, NIGHT + DAY) == 0
        assert drawn(connection) == first


def test_a_slice_draws_what_everything_draws(connection: Any, workspace: duckdb.DuckDBPyConnection) -> None:
    with connection.cursor() as cursor:
        review.ask(cursor, workspace, NIGHT)
        whole = drawn(connection)
        cursor.execute("delete from ops.identity_review")
        cursor.execute(
            "insert into ops.customer (customer_id, created_as_of, founding_anchor)"
            " select n, %s, n from generate_series(1, 4096) n",
            (NIGHT,),
        )
        workspace.execute("alter table out_record rename to every_record")
        for part in range(4):
            workspace.execute(f"create or replace table out_record as from every_record where customer_id % 4 = {part}")
            review.ask(cursor, workspace, NIGHT + DAY * (part + 1))
        assert drawn(connection) == whole


def test_answers_count_from_the_night_after_them_and_a_parted_pair_is_no_longer_asked_about(
    connection: Any, workspace: duckdb.DuckDBPyConnection
) -> None:
    with connection.cursor() as cursor:
        review.ask(cursor, workspace, NIGHT)
        cursor.execute("insert into ops.run (as_of, engine, trigger) values (%s, 'duckdb', 'test')", (NIGHT + 2 * DAY,))
        one, two, three, *_ = review.open_pairs(cursor, audit=True)
        review.answer(cursor, one.review_id, "must_link", "Rita", "one person")
        review.answer(cursor, two.review_id, "cannot_link", "Rita", "father and son")
        waiting = len(drawn(connection))
        before, after = review.figures(cursor, NIGHT + 2 * DAY), review.figures(cursor, NIGHT + 3 * DAY)
        assert (before["audit_same"], before["audit_different"], before["audit_waiting"]) == (0, 0, waiting + 2)
        assert (after["audit_same"], after["audit_different"], after["audit_waiting"]) == (1, 1, waiting)
        assert after["oldest_waiting_days"] == 3
        assert after["grey_waiting"] == 0
        assert review.figures(cursor, NIGHT + 400 * DAY)["audit_same"] == 0, "an audit of long ago counts"
        workspace.execute(f"update out_record set customer_id = -1 where record_key = {three.record_key_a}")
        review.ask(cursor, workspace, NIGHT + 3 * DAY)
        assert (three.record_key_a, three.record_key_b) not in drawn(connection)


# The alarms and the report ------------------------------------------------------------------------


def rows(figures_of: Figures) -> pa.Table:
    return pa.table(
        {
            "measure": [measure for measure, _ in figures_of],
            "part": [part for _, part in figures_of],
            "figure": pa.array([Decimal(str(figure)) for figure in figures_of.values()], pa.decimal128(18, 6)),
            "remark": pa.array([None] * len(figures_of), pa.string()),
        }
    )


def load(connection: Any, night: int, figures_of: Figures) -> tuple[Any, int]:
    run = begin(connection, night)
    made = candidate.load(connection, run, "duckdb", [(QUALITY, rows(figures_of))])
    return run, made.publication_id


def serve(connection: Any, night: int, figures_of: Figures) -> None:
    run, made = load(connection, night, figures_of)
    publication.record_gate(connection, run, made, "pass", "")
    publication.publish(connection, run, made)


def fired(settings: Settings) -> list[tuple[str, str]]:
    suite = load_suite(settings.home / "expectations", "marts/identity")
    found = run_suite(
        suite, [Table("identity_quality", schema="candidate")], settings.local, "test", NIGHT, serving_url(settings)
    )
    return sorted((failure.severity, failure.expectation) for failure in found.failures)


def test_the_alarms_compare_tonight_with_what_is_served(settings: Settings, connection: Any) -> None:
    store.ensure(connection, [QUALITY])
    load(connection, 0, USUAL | {("events", "merged"): 9_999, ("identifiers_before_the_cut", "largest"): 9_999})
    assert fired(settings) == [], "the first night has nothing to be compared with"
    serve(connection, 0, USUAL)
    load(connection, 1, USUAL | {("events", "merged"): 89, ("identifiers", "generic"): 149})
    assert fired(settings) == []
    odd = {
        ("events", "merged"): 700,
        ("events", "split"): 70,
        ("identifiers_before_the_cut", "largest"): 90,
        ("identifiers_of_a_customer", "largest"): 400,
        ("identifiers", "generic"): 200,
        ("precision", "upper_bound"): 0.96,
    }
    load(connection, 2, USUAL | odd)
    found = fired(settings)
    assert [severity for severity, _ in found] == ["critical"] * 2 + ["warning"] * 5
    assert "a twentieth" in found[0][1]


def test_the_report_shows_served_figures_beside_those_before(settings: Settings, connection: Any) -> None:
    assert figures.rows(connection) == []
    store.ensure(connection, [QUALITY])
    serve(connection, 0, USUAL)
    serve(connection, 1, USUAL | {("events", "merged"): 1_234, ("precision", "upper_bound"): 0.98764})
    shown = {(measure, part): tuple(rest) for measure, part, *rest in figures.rows(connection)}
    assert shown["events", "merged"] == ("1,234", "30")
    assert shown["events", "split"] == ("10", "10")
    assert shown["precision", "upper bound"] == ("0.9876", "0.9900")
