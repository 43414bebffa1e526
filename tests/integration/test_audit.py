"""The publication gate on a real candidate: what it looks at again, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from customer360 import postgres
from customer360.publish import publication
from customer360.publish.store import ensure
from customer360.quality.candidate import audit, suites_mark
from customer360.quality.suites import Expectation
from customer360.settings import Settings
from publishing import MARTS, NIGHT, begin, candidate, rows

SUITE = """
suite: marts/test
tables:
  alpha:
    - expectation: expect_column_values_to_be_between
      column: night
      min_value: 0
      max_value: 9
    - expectation: expect_column_values_to_be_unique
      column: id
    - expectation: unexpected_rows_expectation
      description: rows with one text are all of one night
      within: [t]
      unexpected_rows_query: >
        select count(*) as texts from (
          select t from {batch} where t = '' group by t having (min(night) < 0) <> (max(night) < 0)
        ) broken having count(*) > 0
    - expectation: expect_column_values_to_be_between
      column: night
      mostly: 0.5
      max_value: 5
"""


@pytest.fixture
def gate(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose only suite is SUITE."""
    made = replace(settings, home=tmp_path)
    (tmp_path / "expectations" / "marts").mkdir(parents=True)
    (tmp_path / "expectations" / "marts" / "test.yml").write_text(SUITE, "utf-8")
    return made


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, MARTS)
        yield found


def judge(gate: Settings, connection: Any, night: int, table: pa.Table, outcome: str = "") -> tuple[bool, list[str]]:
    """A night up to its gate, published if that passes or as if it had given `outcome`: (whether only what changed was
    judged, failures)."""
    run = begin(connection, night)
    made = candidate(connection, run, table)
    only_changes = publication.is_based_on_passed(connection, made.publication_id, suites_mark(gate))
    connection.commit()
    found = audit(
        gate,
        postgres.serving_url(gate),
        [mart.name for mart in MARTS],
        NIGHT,
        made.publication_id if only_changes else None,
    )
    noted = outcome or found.outcome
    publication.record_gate(connection, run, made.publication_id, noted, "", suites=suites_mark(gate))
    if noted != "fail":
        publication.publish(connection, run, made.publication_id, approved=True)
    return only_changes, [f"{failure.expectation}: {failure.observed}" for failure in found.failures]


def with_nights(nights: dict[int, int], otherwise: int = 1) -> pa.Table:
    """The rows of one night, but for those ids that say another."""
    table = rows(otherwise)
    return table.set_column(1, "night", pa.array([nights.get(each, otherwise) for each in range(table.num_rows)]))


def test_what_changed_is_judged_and_with_it_what_it_is_judged_together_with(gate: Settings, connection: Any) -> None:
    assert judge(gate, connection, 1, rows(1)) == (False, [])
    assert judge(gate, connection, 2, rows(1)) == (True, [])
    # Row 3 alone is wrong; nobody else changed.
    assert judge(gate, connection, 3, with_nights({3: 99})) == (
        True,
        ["expect_column_values_to_be_between: unexpected_percent 100"],
    )
    # Row 0 has the text '' of many rows that did not change: they are looked at with it.
    found = judge(gate, connection, 4, with_nights({0: -1}))
    assert found[0]
    assert [failure.split(":")[0] for failure in found[1]] == [
        "expect_column_values_to_be_between",
        "rows with one text are all of one night",
    ]
    # A share is taken of all rows: three are more than half of what changed, not of the whole.
    assert judge(gate, connection, 5, with_nights({1: 8, 2: 8, 7: 8})) == (True, [])


def test_what_is_served_and_passed_is_not_judged_again_until_something_is_new(gate: Settings, connection: Any) -> None:
    bad = with_nights({3: 99})
    judge(gate, connection, 1, bad, outcome="pass")
    assert judge(gate, connection, 2, with_nights({3: 99, 4: 2})) == (True, [])
    # Other suites, or warnings that somebody accepted: everything again.
    suite = gate.home / "expectations" / "marts" / "test.yml"
    suite.write_text(SUITE.replace("max_value: 9", "max_value: 10"), "utf-8")
    is_delta, failures = judge(gate, connection, 3, bad, outcome="warn")
    assert not is_delta
    assert len(failures) == 1
    is_delta, failures = judge(gate, connection, 4, bad, outcome="fail")
    assert not is_delta
    assert len(failures) == 1


def test_a_candidate_on_a_publication_that_was_rolled_back_since_is_judged_whole(
    gate: Settings, connection: Any
) -> None:
    judge(gate, connection, 1, rows(1))
    judge(gate, connection, 2, rows(2))
    run = begin(connection, 3)
    made = candidate(connection, run, rows(3))
    assert publication.is_based_on_passed(connection, made.publication_id, suites_mark(gate))
    publication.rollback(connection)
    assert not publication.is_based_on_passed(connection, made.publication_id, suites_mark(gate))


@pytest.mark.parametrize(
    ("name", "arguments", "scope"),
    [
        ("expect_column_values_to_match_regex", {"column": "a"}, ()),
        ("expect_column_values_to_match_regex", {"column": "a", "mostly": 0.9}, None),
        ("expect_column_values_to_be_unique", {"column": "a"}, ("a",)),
        ("expect_column_mean_to_be_between", {"column": "a"}, None),
        ("expect_table_row_count_to_be_between", {}, None),
    ],
)
def test_only_what_is_judged_row_by_row_is_left_out(
    name: str, arguments: dict[str, Any], scope: tuple[str, ...] | None
) -> None:
    assert Expectation(name, arguments, "critical").scope == scope
