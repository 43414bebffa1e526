"""The raw gate on real frames through real Great Expectations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from customer360.connectors.base import table
from customer360.quality.great_expectations import Table, run_suite
from customer360.quality.paths import data_docs, prune
from customer360.quality.suites import Expectation, Suite, SuiteError, load_suite

EXPECTATIONS = Path(__file__).resolve().parents[2] / "expectations"
NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
PERSONAL = "maria.secret@example.com"


def interactions(channels: list[str], hints: list[str | None]) -> pa.Table:
    rows = len(channels)
    return table(
        "interaction",
        {
            "source_record_id": [f"r{n}" for n in range(rows)],
            "row_number": list(range(1, rows + 1)),
            "channel": channels,
            "direction": ["inbound"] * rows,
            "occurred_at": [NIGHT] * rows,
            "interaction_class": ["person"] * rows,
            "is_touch": [True] * rows,
            "name_hint": hints,
        },
    )


def gate(local: Path, data: pa.Table, night: datetime = NIGHT):  # type: ignore[no-untyped-def]
    suite = load_suite(EXPECTATIONS, "raw/interactions")
    return run_suite(suite, [Table("interaction", frame=data.to_pandas())], local, "raw test", night)


def result_pages(local: Path) -> dict[str, int]:
    """When each night's page of Data Docs was written, by the night's folder."""
    pages = (data_docs(local).parent / "validations").rglob("*.html")
    return {page.parent.name: page.stat().st_mtime_ns for page in pages}


def test_good_data_passes(tmp_path: Path) -> None:
    result = gate(tmp_path, interactions(["phone", "web"], ["Ana", None]))
    assert result.outcome == "pass"
    assert result.evaluated >= 4


def test_a_critical_failure_names_expectation_table_and_figure(tmp_path: Path) -> None:
    result = gate(tmp_path, interactions(["phone", PERSONAL], ["Ana", None]))
    assert result.outcome == "fail"
    text = "\n".join(map(str, result.failures))
    assert "expect_column_values_to_be_in_set on interaction.channel" in text
    assert "50" in text


def test_a_warning_is_not_a_failure(tmp_path: Path) -> None:
    result = gate(tmp_path, interactions(["phone", "web"], ["MÃ¼ller", None]))
    assert result.outcome == "warn"


def test_nothing_on_disk_holds_a_value_of_a_record(tmp_path: Path) -> None:
    gate(tmp_path, interactions(["phone", PERSONAL], [PERSONAL, None]))
    assert data_docs(tmp_path).is_file()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if PERSONAL.encode() in path.read_bytes()]


def test_only_the_pages_of_this_night_are_written_and_the_index_knows_all(tmp_path: Path) -> None:
    data = interactions(["phone", "web"], ["Ana", None])
    gate(tmp_path, data)
    first = result_pages(tmp_path)
    assert list(first) == ["20260302T000000.000000Z"]
    gate(tmp_path, data, NIGHT + timedelta(days=1))
    both = result_pages(tmp_path)
    assert set(both) - set(first) == {"20260303T000000.000000Z"}
    assert first.items() <= both.items()
    index = data_docs(tmp_path).read_text("utf-8")
    assert all(f"/{night}/" in index for night in both)
    gate(tmp_path, data)  # the first night again: its page is of now
    assert result_pages(tmp_path)["20260302T000000.000000Z"] > first["20260302T000000.000000Z"]


def test_results_of_old_nights_are_removed_with_their_pages(tmp_path: Path) -> None:
    assert prune(tmp_path, NIGHT) == 0
    data = interactions(["phone", "web"], ["Ana", None])
    for days in (0, 10, 11):
        gate(tmp_path, data, NIGHT + timedelta(days=days))
    assert prune(tmp_path, NIGHT + timedelta(days=10)) == 1
    assert set(result_pages(tmp_path)) == {"20260312T000000.000000Z", "20260313T000000.000000Z"}
    gate(tmp_path, data, NIGHT + timedelta(days=12))
    index = data_docs(tmp_path).read_text("utf-8")
    assert "20260302T" not in index
    assert "20260312T" in index


def test_an_expectation_that_cannot_be_evaluated_does_not_pass(tmp_path: Path) -> None:
    suite = Suite(
        "raw/x",
        {"interaction": (Expectation("expect_column_values_to_not_be_null", {"column": "nope"}, "critical"),)},
    )
    frame = interactions(["phone"], [None]).to_pandas()
    with pytest.raises(SuiteError, match="expect_column_values_to_not_be_null"):
        run_suite(suite, [Table("interaction", frame=frame)], tmp_path, "raw test", NIGHT)
