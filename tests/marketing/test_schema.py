"""Schema `marketing` in a real database: contracts, words, rights, and what readers see while it changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from customer360 import postgres
from customer360.dbt_runner import manifest_path
from customer360.marketing import schema
from customer360.marketing.contract import Table, marketing_tables
from customer360.publish import publication
from customer360.publish.marts import Column, MartError
from customer360.publish.store import ensure
from customer360.settings import Settings
from marketed import Company
from publishing import MARTS, begin, candidate, rows

NIGHTS = Table(
    "nights",
    1,
    True,
    "One row per night",
    ("night",),
    (Column("night", "bigint", "Which night"), Column("lines", "bigint", "How many lines")),
    "select a.night, cast(count(*) as bigint) as lines from {{ ref('alpha') }} as a group by a.night",
)
WIDER = replace(
    NIGHTS,
    columns=(*NIGHTS.columns, Column("texts", "bigint", "How many have a text")),
    query="select a.night, cast(count(*) as bigint) as lines, cast(count(a.t) as bigint) as texts"
    " from {{ ref('alpha') }} as a group by a.night",
)
RENAMED = replace(
    NIGHTS,
    version=2,
    columns=(NIGHTS.columns[0], Column("rows", "bigint", "How many")),
    query="select a.night, cast(count(*) as bigint) as rows from {{ ref('alpha') }} as a group by a.night",
)


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def ask(connection: Any, text: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
    return found


def publish(connection: Any, night: int, *tables: Table, count: int = 200) -> int:
    """A whole night that makes marketing's tables `tables`; its publication."""
    run = begin(connection, night)
    made = candidate(connection, run, rows(night, count))
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    schema.publish(connection, run, made.publication_id, tables, MARTS)
    return made.publication_id


def drift(connection: Any) -> list[str]:
    with connection.cursor() as cursor:
        return schema.drift(cursor)


# What the project's models become ------------------------------------------------------------------


def test_every_model_is_a_view_with_the_columns_types_and_words_of_its_contract(company: Company) -> None:
    tables = marketing_tables(manifest_path(company.settings))
    assert {table.name for table in tables} >= {"attribution", "ad_spend", "source_quality"}
    for table in tables:
        for view in table.views:
            found = company.ask(
                "select attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)"
                " from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 order by attnum",
                f"marketing.{view}",
            )
            assert [(name, words) for name, _, words in found] == [
                (column.name, column.description) for column in table.columns
            ]
            assert company.ask("select obj_description(to_regclass(%s))", f"marketing.{view}") == [(table.description,)]
    with postgres.connect(company.settings, application_name="test") as connection:
        assert drift(connection) == []


def test_every_table_has_rows_and_each_key_once(company: Company) -> None:
    for table in marketing_tables(manifest_path(company.settings)):
        key = ", ".join(table.key)
        ((total, distinct),) = company.ask(
            f"select count(*), (select count(*) from (select distinct {key} from marketing.{table.views[0]}) k)"
            f" from marketing.{table.views[0]}"
        )
        assert total == distinct, table.name
        assert total > 0 or table.name in MAY_BE_EMPTY, table.name


MAY_BE_EMPTY = {"attribution_restatements"}  # the first night has nothing before it


def test_the_publication_says_what_was_tested(company: Company) -> None:
    ((number, as_of, gate, passed, warned),) = company.ask(
        "select publication_id, as_of, gate, tests_passed, tests_warned from marketing.publication"
    )
    ((tests,),) = company.ask("select tests from ops.publication where publication_id = %s", number)
    assert as_of == company.night(0)
    assert tests["dbt"]["passed"] > 0
    assert tests["expectations"]["passed"] > 0
    assert passed == tests["dbt"]["passed"] + tests["expectations"]["passed"]
    assert (gate == "warn") == (tests["expectations"]["warned"] > 0)
    assert warned == tests["dbt"]["warned"] + tests["expectations"]["warned"]


def test_no_person_is_in_any_table(company: Company) -> None:
    persons = company.persons()
    assert len(persons) > 100
    for (view,) in company.ask("select relname from pg_class where relnamespace = 'marketing'::regnamespace"):
        ((text,),) = company.ask(f"select lower(coalesce(string_agg(v::text, ' '), '')) from marketing.{view} v")
        assert not [person for person in persons if person in text], view


def test_every_table_that_leaves_has_an_exposure_with_owner_and_address(company: Company) -> None:
    manifest = json.loads(manifest_path(company.settings).read_text("utf-8"))
    models = {key for key, node in manifest["nodes"].items() if node["name"].startswith("marketing__")}
    exposures = list(manifest["exposures"].values())
    assert exposures
    for exposure in exposures:
        assert exposure["owner"]["email"]
        assert exposure["url"].startswith("http")
        assert exposure["description"].strip()
        assert {key for key in exposure["depends_on"]["nodes"] if "marketing__" in key} == models, exposure["name"]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("limit {{ var('many') }}", "no other macro than"),
        ("{% if true %}limit 1{% endif %}", "no statements"),
        ("union all select * from {{ ref('int_customer__profile') }}", "only refer to published marts"),
    ],
)
def test_what_leaves_the_house_reads_published_marts_by_macros_that_are_known(
    words: str, refusal: str, company: Company, tmp_path: Path
) -> None:
    found = json.loads(manifest_path(company.settings).read_text("utf-8"))
    (node,) = (node for node in found["nodes"].values() if node["name"] == "marketing__attribution")
    node["raw_code"] += f"\n{words}"
    (tmp_path / "manifest.json").write_text(json.dumps(found), "utf-8")
    with pytest.raises(MartError, match=refusal):
        marketing_tables(tmp_path / "manifest.json")


def test_a_telephone_number_in_a_name_is_withheld_where_marketing_reads(company: Company) -> None:
    (table,) = (each for each in marketing_tables(manifest_path(company.settings)) if each.views[0] == "attribution")
    rows = """(select 'campaign' as grain, 'first' as model, 'order' as conversion_set, date '2026-03-01' as month,
        '(all)' as acquisition_source, '(all)' as channel_group, '(all)' as traffic_source, name as campaign,
        1 as conversions, 1 as amount, 0 as spend from unnest(array['call +49 30 1234567', 'spring 2026']) as name)"""
    asked = table.rendered({"attribution_summary": rows})
    told = company.ask(f"select campaign from ({asked}) as t".replace("%", "%%"))
    assert sorted(told) == [("(withheld)",), ("spring 2026",)]


# Who may read ------------------------------------------------------------------------------------


def test_the_role_reads_marketing_and_nothing_else(company: Company) -> None:
    with postgres.connect(company.settings, application_name="test") as connection:
        assert ask(
            connection, "select rolcanlogin, rolsuper, rolcreaterole from pg_roles where rolname = 'c360_marketing'"
        ) == [(False, False, False)]
        relations = ask(
            connection,
            "select nspname, relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where relkind in ('r', 'v', 'm', 'p') and nspname not in ('pg_catalog', 'information_schema')"
            " and nspname not like 'pg_%'",
        )
        assert {("serving", "customer_360"), ("store", "customer_360"), ("ops", "publication")} <= set(relations)
        ask(connection, "set role c360_marketing")
        connection.commit()
        for namespace, name in relations:
            if namespace == "marketing":
                ask(connection, f'select * from marketing."{name}" limit 1')
                rights = "'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'"
                assert ask(connection, f"select has_table_privilege('marketing.{name}', {rights})") == [(False,)]
            else:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    ask(connection, f'select * from {namespace}."{name}" limit 1')
            connection.rollback()
        for text in ("create table marketing.mine (x int)", "create schema mine", "drop view marketing.attribution"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(connection, text)
            connection.rollback()


# While it changes --------------------------------------------------------------------------------


def test_a_repeatable_read_reader_keeps_its_night(settings: Settings, connection: Any) -> None:
    first = publish(connection, 1, NIGHTS)
    with postgres.connect(settings, application_name="reader") as reader:
        reader.set_isolation_level(ISOLATION_LEVEL_REPEATABLE_READ)
        assert ask(reader, "select publication_id from marketing.publication") == [(first,)]
        second = publish(connection, 2, NIGHTS, count=150)
        # A table that this reader had not looked at yet is of the same night.
        assert ask(reader, "select * from marketing.nights") == [(1, 200)]
        third = publish(connection, 3, NIGHTS, count=100)
        assert ask(reader, "select * from marketing.nights_v1") == [(1, 200)]
        reader.rollback()
        assert ask(reader, "select publication_id from marketing.publication") == [(third,)]
        assert ask(reader, "select * from marketing.nights") == [(3, 100)]
    publication.rollback(connection, second)
    assert ask(connection, "select * from marketing.nights") == [(2, 150)]


def test_shape_and_rows_change_together_or_not_at_all(
    settings: Settings, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_TRIES", 1)
    first = publish(connection, 1, NIGHTS)
    with postgres.connect(settings, application_name="reader") as reader:
        assert ask(reader, "select * from marketing.nights") == [(1, 200)]
        with pytest.raises(MartError, match="readers hold its view"):
            publish(connection, 2, WIDER)
        served = publication.served(connection)
        assert served is not None
        assert served.publication_id == first
        reader.rollback()
    publish(connection, 3, WIDER)
    assert ask(connection, "select night, lines, texts from marketing.nights") == [(3, 200, 166)]
    assert drift(connection) == []


def test_many_at_once_make_the_schema_once(settings: Settings, connection: Any) -> None:
    publish(connection, 1)
    errors: list[BaseException] = []
    gate = threading.Barrier(6)

    def apply(tables: list[Table]) -> None:
        try:
            with postgres.connect(settings, application_name="one of many") as own, own.cursor() as cursor:
                cursor.execute("set lock_timeout = '60s'")
                gate.wait()
                schema.apply(cursor, tables, MARTS)
                own.commit()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            errors.append(error)

    threads = [threading.Thread(target=apply, args=([NIGHTS],)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ask(connection, "select * from marketing.nights") == [(1, 200)]


def test_an_ordinary_night_takes_no_lock_on_the_views(settings: Settings, connection: Any) -> None:
    publish(connection, 1, NIGHTS)
    with postgres.connect(settings, application_name="reader") as reader:
        ask(reader, "select * from marketing.nights")  # and stays in its transaction
        publish(connection, 2, NIGHTS)
    assert ask(connection, "select night from marketing.nights") == [(2,)]


# Versions ----------------------------------------------------------------------------------------


def test_a_breaking_change_is_a_new_version_beside_the_old(connection: Any) -> None:
    publish(connection, 1, NIGHTS)
    ask(connection, "create role analyst; grant select on marketing.nights to analyst")
    connection.commit()
    try:
        publish(connection, 2, replace(NIGHTS, is_latest=False), RENAMED)
        assert ask(connection, "select night, lines from marketing.nights_v1") == [(2, 200)]
        assert ask(connection, "select night, rows from marketing.nights_v2") == [(2, 200)]
        assert ask(connection, "select night, rows from marketing.nights") == [(2, 200)]
        assert ask(connection, "select has_table_privilege('analyst', 'marketing.nights', 'select')") == [(True,)]
        publish(connection, 3, RENAMED)
        assert ask(connection, "select to_regclass('marketing.nights_v1')") == [(None,)]
        assert drift(connection) == []
    finally:
        connection.rollback()
        ask(connection, "drop owned by analyst; drop role analyst")
        connection.commit()


def test_what_others_built_on_a_view_is_never_taken_away(connection: Any) -> None:
    publish(connection, 1, NIGHTS)
    ask(connection, "create view public.mine as select lines from marketing.nights")
    connection.commit()
    publish(connection, 2, WIDER)
    with pytest.raises(MartError, match=r"marketing.nights changes its columns.*must go first"):
        publish(connection, 3, RENAMED)
    assert ask(connection, "select * from public.mine") == [(200,)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(NIGHTS, columns=(NIGHTS.columns[0], Column("lines", "integer", "x"))), "gives lines bigint"),
        (replace(NIGHTS, columns=NIGHTS.columns[:1]), "gives lines bigint"),
        (replace(NIGHTS, query="select 1 as night from {{ ref('gamma') }} as g"), "gamma is not published"),
    ],
)
def test_a_query_that_breaks_its_contract_is_not_published(connection: Any, wrong: Table, said: str) -> None:
    first = publish(connection, 1, NIGHTS)
    with pytest.raises(MartError, match=said):
        publish(connection, 2, wrong)
    connection.rollback()
    assert ask(connection, "select publication_id from marketing.publication") == [(first,)]
    assert ask(connection, "select * from marketing.nights") == [(1, 200)]


def test_drift_is_told_and_mended_by_the_next_night(connection: Any) -> None:
    publish(connection, 1, NIGHTS)
    assert drift(connection) == []
    ask(connection, "comment on column marketing.nights.lines is 'something else'")
    ask(connection, "revoke select on marketing.nights_v1 from c360_marketing")
    ask(connection, "drop view marketing.publication")
    connection.commit()
    assert drift(connection) == [
        "nights.lines: its comment is not the contract's",
        "nights_v1: c360_marketing may not read it",
        "publication: its columns are gone",
    ]
    publish(connection, 2, NIGHTS)
    assert drift(connection) == []
