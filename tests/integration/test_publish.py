"""Candidates and publications on a real Postgres: only changed rows travel, and nothing half is ever served."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg2
import pyarrow as pa
import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.candidate import load
from customer360.publish.marts import Column, Mart, MartError
from customer360.publish.runs import Fenced, open_run, take_attempt
from customer360.publish.store import READER, ensure
from customer360.settings import Settings
from publishing import MARTS, NIGHT, begin, candidate, hashes, publish, rows


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def ask(connection: Any, text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        found = cursor.fetchall() if cursor.description else []
    connection.commit()
    return found


def publish_only(connection: Any, mart: Mart, table: pa.Table) -> Any:
    """A night that publishes this mart alone."""
    ensure(connection, [mart])
    run = begin(connection)
    made = load(connection, run, "duckdb", [(mart, table)])
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    return made.changes[mart.name]


# What travels -------------------------------------------------------------------------------------


def test_only_changed_rows_travel_and_the_same_content_changes_nothing(connection: Any) -> None:
    first = publish(connection, 1, rows(1)).changes["alpha"]
    assert (first.total, first.inserted, first.changed, first.removed) == (200, 200, 0, 0)
    shuffled = rows(1).take(random.Random(3).sample(range(200), 200))
    same = publish(connection, 1, shuffled).changes["alpha"]
    assert (same.total, same.changed_rows, same.bytes) == (200, 0, 0)
    mixed = pa.concat_tables([rows(1).slice(0, 150), rows(2, 250).slice(190)])
    third = publish(connection, 2, mixed).changes["alpha"]
    assert (third.total, third.inserted, third.changed, third.removed) == (210, 50, 10, 40)
    assert 0 < third.bytes < first.bytes
    assert ask(connection, "select count(*), count(*) filter (where night = 2) from serving.alpha") == [(210, 60)]


def test_changed_rows_are_found_in_tables_larger_than_one_batch(connection: Any) -> None:
    count = 260_000
    publish(connection, 1, rows(1, count))
    moved = sorted(random.Random(5).sample(range(count), 500))
    nights = [1] * count
    for position in moved:
        nights[position] = 2
    table = rows(1, count).set_column(1, "night", pa.array(nights))
    assert publish(connection, 2, table).changes["beta"].changed == 500
    assert [each for (each,) in ask(connection, "select id from serving.beta where night = 2 order by id")] == moved
    assert ask(connection, "select count(*), count(distinct id), sum(id) from serving.beta") == [
        (count, count, count * (count - 1) // 2)
    ]


EVERY_TYPE = Mart(
    "every_type",
    "",
    ("big",),
    tuple(
        Column(name, data_type, "")
        for name, data_type in {
            "big": "bigint",
            "whole": "integer",
            "small": "smallint",
            "flag": "boolean",
            "ratio": "double precision",
            "day": "date",
            "at": "timestamp",
            "instant": "timestamptz",
            "label": "varchar",
            "money": "decimal(18, 6)",
            "price": "decimal(18, 2)",
            "share": "decimal(5, 5)",
            "count": "decimal(18, 0)",
        }.items()
    ),
)
EXTREMES: dict[str, list[Any]] = {
    "big": [2**63 - 1, -(2**63), 0, 7],
    "whole": [2**31 - 1, -(2**31), 0, None],
    "small": [32767, -32768, None, 0],
    "flag": [True, False, None, True],
    "ratio": [1e308, -2.5e-300, 0.1, None],
    "day": [date(1, 1, 1), date(9999, 12, 31), date(2000, 2, 29), None],
    "at": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1999, 12, 31, 23, 59, 59), None],
    "instant": [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None, None],
    "label": ["", "NUL \0 here", "emoji 🦊 and 汉字", None],
    "money": [Decimal("999999999999.999999"), Decimal("-999999999999.999999"), Decimal("0.000001"), None],
    "price": [Decimal("-0.01"), Decimal("10000.00"), Decimal("9999999999999999.99"), Decimal("0.00")],
    "share": [Decimal("0.99999"), Decimal("-0.00001"), None, Decimal("0.10000")],
    "count": [Decimal("999999999999999999"), Decimal("-10000"), Decimal(0), None],
}


def test_every_type_arrives_as_it_was(connection: Any) -> None:
    table = pa.table(EXTREMES)
    assert publish_only(connection, EVERY_TYPE, table).inserted == 4
    found = ask(connection, "select * from serving.every_type")
    wanted = {**EXTREMES, "label": [text and text.replace("\0", "\ufffd") for text in EXTREMES["label"]]}
    assert sorted(found, key=lambda row: row[0]) == sorted(zip(*wanted.values(), strict=True), key=lambda row: row[0])
    assert ask(connection, "select scale(money), scale(count) from serving.every_type where money is not null")[0] == (
        6,
        0,
    )


def test_random_values_arrive_as_they_were(connection: Any) -> None:
    draw = random.Random(11)
    count = 5_000

    def some(make: Any) -> list[Any]:
        return [None if draw.random() < 0.3 else make() for _ in range(count)]

    columns = {
        "big": list(range(count)),
        "money": some(lambda: Decimal(draw.randrange(-(10 ** draw.randrange(1, 19)), 10**12)).scaleb(-6)),
        "label": some(
            lambda: "".join(chr(draw.choice([0x41, 0xE9, 0x4E2D, 0x1F98A])) for _ in range(draw.randrange(40)))
        ),
        "at": some(lambda: datetime.fromtimestamp(draw.randrange(-(10**10), 10**10), UTC).replace(tzinfo=None)),
        "ratio": some(lambda: draw.gauss(0, 1e6)),
    }
    mart = replace(EVERY_TYPE, columns=tuple(c for c in EVERY_TYPE.columns if c.name in columns))
    table = pa.table(
        {
            **columns,
            "money": pa.array(columns["money"], pa.decimal128(18, 6)),
            "at": pa.array(columns["at"], pa.timestamp("us")),
        }
    )
    publish_only(connection, mart, table.slice(0, count // 2))  # a slice: offsets that are not zero
    publish_only(connection, mart, table)
    names = [column.name for column in mart.columns]
    found = ask(connection, f"select {', '.join(names)} from serving.every_type order by big")
    assert found == list(zip(*(columns[name] for name in names), strict=True))


def test_the_engines_own_widths_make_no_difference(connection: Any) -> None:
    mart = replace(EVERY_TYPE, columns=tuple(c for c in EVERY_TYPE.columns if c.name in ("big", "price", "label")))
    publish_only(connection, mart, pa.table({"big": [1], "price": [Decimal("1.50")], "label": ["a"]}))
    wider = {
        "label": pa.array(["a"], pa.large_string()),
        "price": pa.array([Decimal("1.5")], pa.decimal128(38, 1)),
        "big": pa.array([1], pa.int16()),
    }
    assert publish_only(connection, mart, pa.table(wider)).changed_rows == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"big": [1, 1], "price": [None, None]}, "1 keys"),
        ({"big": [1]}, "lacks price"),
        ({"big": [1], "price": [Decimal("12345678901234567.00")]}, r"every_type.price: a value does not fit"),
        ({"big": ["4711 secret"], "price": [None]}, r"every_type.big: a value does not fit bigint$"),
    ],
)
def test_rows_that_do_not_fit_their_mart_are_refused_without_a_value(
    connection: Any, table: dict[str, Any], said: str
) -> None:
    mart = replace(EVERY_TYPE, columns=tuple(c for c in EVERY_TYPE.columns if c.name in ("big", "price")))
    with pytest.raises(MartError, match=said) as caught:
        publish_only(connection, mart, pa.table(table))
    assert "4711" not in str(caught.value)
    assert "1234567890" not in str(caught.value)
    assert ask(connection, "select count(*) from candidate.every_type") == [(0,)]


# What is served -----------------------------------------------------------------------------------


def test_a_candidate_is_invisible_until_it_is_published(connection: Any) -> None:
    publish(connection, 1, rows(1))
    before = hashes(connection)
    run = begin(connection)
    made = candidate(connection, run, rows(2))
    assert hashes(connection) == before
    assert publication.content_hash(connection, "alpha", "candidate") != before[0]
    with pytest.raises(publication.PublicationRefused, match="not been audited"):
        publication.publish(connection, run, made.publication_id)
    publication.record_gate(connection, run, made.publication_id, "fail", "")
    with pytest.raises(publication.PublicationRefused, match="fail"):
        publication.publish(connection, run, made.publication_id, approved=True)
    assert hashes(connection) == before


def test_warnings_need_approval(connection: Any) -> None:
    run = begin(connection)
    made = candidate(connection, run, rows(1))
    publication.record_gate(connection, run, made.publication_id, "warn", "")
    with pytest.raises(publication.PublicationRefused, match="warn"):
        publication.publish(connection, run, made.publication_id)
    publication.publish(connection, run, made.publication_id, approved=True)
    served = publication.served(connection)
    assert served is not None
    assert served.publication_id == made.publication_id


def test_only_the_newest_candidate_can_be_published_and_only_once(connection: Any) -> None:
    run = begin(connection)
    older = candidate(connection, run, rows(1))
    newer = candidate(connection, run, rows(2))
    for made in (older, newer):
        publication.record_gate(connection, run, made.publication_id, "pass", "")
    with pytest.raises(publication.PublicationRefused, match="not the newest candidate"):
        publication.publish(connection, run, older.publication_id)
    for _ in range(2):
        publication.publish(connection, run, newer.publication_id)
    assert [found.status for found in publication.publications(connection)] == ["published", "abandoned"]
    assert ask(connection, "select count(*), min(night) from store.alpha") == [(200, 2)]


def test_a_mart_no_longer_published_serves_no_old_rows(connection: Any) -> None:
    publish(connection, 1, rows(1))
    before = hashes(connection)
    run = begin(connection)
    made = load(connection, run, "duckdb", [(MARTS[0], rows(1))])
    assert made.changes["beta"].removed == 200
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    assert ask(connection, "select count(*) from serving.beta") == [(0,)]
    publication.rollback(connection)
    assert hashes(connection) == before


def test_the_hash_of_the_content_knows_rows_and_values_but_no_order(connection: Any) -> None:
    publish(connection, 1, rows(1))
    first = hashes(connection)
    assert first[0] == first[1]
    publish(connection, 1, rows(1).take(list(range(199, -1, -1))))
    assert hashes(connection) == first
    publish(connection, 1, rows(1, 199))
    assert hashes(connection) != first


# The fence ----------------------------------------------------------------------------------------


def test_a_newer_run_or_attempt_fences_the_older(connection: Any) -> None:
    old = begin(connection)
    retried = take_attempt(connection, old.run_id, NIGHT)
    with pytest.raises(Fenced):
        candidate(connection, old, rows(1))
    made = candidate(connection, retried, rows(1))
    publication.record_gate(connection, retried, made.publication_id, "pass", "")
    newer = begin(connection)
    with pytest.raises(Fenced):
        publication.publish(connection, retried, made.publication_id)
    with pytest.raises(Fenced):
        take_attempt(connection, old.run_id, NIGHT)
    assert publication.served(connection) is None
    candidate(connection, newer, rows(2))


def test_an_orphan_in_the_middle_of_its_load_is_ended_by_the_attempt_that_follows(
    settings: Settings, connection: Any
) -> None:
    publish(connection, 1, rows(1))
    before = hashes(connection)
    orphan = begin(connection)
    inside, go_on = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    def marts() -> Iterator[tuple[Mart, pa.Table]]:
        yield MARTS[0], rows(2)
        inside.set()
        go_on.wait()
        yield MARTS[1], rows(2)

    def load_slowly() -> None:
        try:
            with postgres.connect(settings, application_name="orphan") as own:
                load(own, orphan, "duckdb", marts())
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            ended.append(error)

    thread = threading.Thread(target=load_slowly)
    thread.start()
    assert inside.wait(60)
    retried = take_attempt(connection, orphan.run_id, NIGHT)
    made = candidate(connection, retried, rows(3))
    go_on.set()
    thread.join()
    assert isinstance(ended[0], Fenced)
    assert hashes(connection) == before
    publication.record_gate(connection, retried, made.publication_id, "pass", "")
    publication.publish(connection, retried, made.publication_id)
    assert ask(connection, "select min(night), max(night), count(*) from serving.alpha") == [(3, 3, 200)]


def test_runs_say_what_became_of_them(connection: Any) -> None:
    publish(connection, 1, rows(1))
    open_run(connection, NIGHT, "duckdb", "test")
    open_run(connection, NIGHT, "duckdb", "test")
    assert ask(connection, "select state from ops.run order by run_id") == [("published",), ("fenced",), ("running",)]


# The definition -----------------------------------------------------------------------------------


def with_columns(mart: Mart, *columns: Column) -> Mart:
    return replace(mart, columns=(*mart.columns, *columns))


def test_a_new_column_keeps_grants_and_the_views_of_others(connection: Any) -> None:
    publish(connection, 1, rows(1))
    ask(connection, "create view public.of_others as select id, t from serving.alpha")
    ask(connection, "do $$ begin create role c360_bi; exception when duplicate_object then null; end $$")
    ask(connection, "grant select on serving.alpha to c360_bi")
    wider = tuple(replace(with_columns(mart, Column("extra", "integer", "new")), name=mart.name) for mart in MARTS)
    ensure(connection, wider)
    assert ask(connection, "select count(*), count(extra) from serving.alpha") == [(200, 0)]
    assert ask(connection, "select count(*) from of_others") == [(200,)]
    assert ask(connection, "select has_table_privilege('c360_bi', 'serving.alpha', 'select')") == [(True,)]
    table = rows(1).append_column("extra", pa.array([5] * 200, pa.int32()))
    run = begin(connection)
    assert load(connection, run, "duckdb", [(mart, table) for mart in wider]).changes["alpha"].changed == 200


def test_a_column_that_is_gone_leaves_the_view_but_not_its_grants(connection: Any) -> None:
    publish(connection, 1, rows(1))
    ask(connection, "do $$ begin create role c360_bi; exception when duplicate_object then null; end $$")
    ask(connection, "grant select on serving.alpha to c360_bi")
    narrower = [replace(mart, columns=mart.columns[:2]) for mart in MARTS]
    ensure(connection, narrower)
    with pytest.raises(psycopg2.errors.UndefinedColumn):
        ask(connection, "select t from serving.alpha")
    connection.rollback()
    assert ask(connection, "select has_table_privilege('c360_bi', 'serving.alpha', 'select')") == [(True,)]
    assert ask(connection, "select count(t) > 0 from store.alpha") == [(True,)]
    assert (
        load(connection, begin(connection), "duckdb", [(mart, rows(1).select(["id", "night"])) for mart in narrower])
        .changes["alpha"]
        .changed
        == 200
    )


def test_a_view_others_stand_on_is_not_taken_from_under_them(connection: Any) -> None:
    ask(connection, "create view public.of_others as select t from serving.alpha")
    with pytest.raises(MartError, match="of_others"):
        ensure(connection, [replace(MARTS[0], columns=MARTS[0].columns[:2])])
    connection.rollback()
    assert ask(connection, "select count(*) from of_others") == [(0,)]


def test_another_type_is_refused_in_so_many_words(connection: Any) -> None:
    changed = replace(MARTS[0], columns=(*MARTS[0].columns[:1], Column("night", "integer", ""), *MARTS[0].columns[2:]))
    with pytest.raises(MartError, match=r"alpha\.night is bigint in the store but integer now"):
        ensure(connection, [changed])
    connection.rollback()
    with pytest.raises(MartError, match="type jsonb cannot be published"):
        ensure(connection, [with_columns(MARTS[0], Column("x", "jsonb", ""))])


def test_another_key_replaces_the_rows_once(connection: Any) -> None:
    publish(connection, 1, rows(1))
    other = [replace(mart, key=("night", "id")) for mart in MARTS]
    ensure(connection, other)
    for changed in (400, 0):
        run = begin(connection)
        made = load(connection, run, "duckdb", [(mart, rows(1)) for mart in other])
        assert made.changes["alpha"].changed_rows == changed
        publication.record_gate(connection, run, made.publication_id, "pass", "")
        publication.publish(connection, run, made.publication_id)
    assert ask(connection, "select count(*) from serving.alpha") == [(200,)]


def test_a_dropped_view_comes_back(connection: Any) -> None:
    ask(connection, "drop view serving.alpha")
    ensure(connection, MARTS)
    assert ask(connection, "select count(*) from serving.alpha") == [(0,)]


def test_what_is_served_carries_its_description_and_finds_a_key_by_index(connection: Any) -> None:
    publish(connection, 1, rows(1, 50_000))
    assert ask(
        connection, "select obj_description('serving.alpha'::regclass), col_description('serving.alpha'::regclass, 1)"
    ) == [("mart alpha", "key")]
    plan = "\n".join(line for (line,) in ask(connection, "explain select t from serving.alpha where id = 77"))
    assert "alpha_" in plan
    assert "Seq Scan on alpha" not in plan


def test_the_readers_role_reads_what_is_served_and_nothing_else(connection: Any) -> None:
    publish(connection, 1, rows(1))
    with connection.cursor() as cursor:
        cursor.execute(f"set local role {READER}")
        cursor.execute("select count(*) from serving.alpha")
        assert cursor.fetchone() == (200,)
        for table in ("store.alpha", "candidate.alpha", "ops.publication_pointer", "ops.ledger"):
            cursor.execute("savepoint before")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"select 1 from {table}")
            cursor.execute("rollback to before")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("update serving.alpha set night = 0")
    connection.rollback()


def test_a_delta_sends_only_what_changed_and_ends_what_went(connection: Any) -> None:
    publish(connection, 0, rows(0))
    run = begin(connection, 1)
    changed = pa.table({"id": [3, 500], "night": [1, 1], "t": pa.array(["x", None], pa.string())})
    gone = {mart.name: pa.table({"id": [4, 5]}) for mart in MARTS}
    made = load(connection, run, "duckdb", [(mart, changed) for mart in MARTS], gone)
    change = made.changes["alpha"]
    assert (change.total, change.inserted, change.changed, change.removed) == (199, 1, 1, 2)
    assert change.sent == change.changed_rows
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    with connection.cursor() as cursor:
        cursor.execute("select count(*), count(*) filter (where night = 1), max(id) from serving.alpha")
        assert cursor.fetchone() == (199, 2, 500)
        cursor.execute("select count(*) from serving.alpha where id in (4, 5)")
        assert cursor.fetchone() == (0,)


def test_a_delta_of_nothing_changes_nothing(connection: Any) -> None:
    publish(connection, 0, rows(0))
    before = hashes(connection)
    run = begin(connection, 1)
    gone = {mart.name: pa.table({"id": pa.array([], pa.int64())}) for mart in MARTS}
    made = load(connection, run, "duckdb", [(mart, rows(0).slice(0, 7)) for mart in MARTS], gone)
    assert [change.changed_rows for change in made.changes.values()] == [0, 0]
    assert [change.total for change in made.changes.values()] == [200, 200]
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    assert hashes(connection) == before
