"""The raw gate on real frames through real Great Expectations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from customer360.connectors.base import table
from customer360.quality.great_expectations import Table, run_suite
from customer360.quality.paths import data_docs
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


def gate(local: Path, data: pa.Table):  # type: ignore[no-untyped-def]
    suite = load_suite(EXPECTATIONS, "raw/interactions")
    return run_suite(suite, [Table("interaction", frame=data.to_pandas())], local, "raw test", NIGHT)


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


def test_an_expectation_that_cannot_be_evaluated_does_not_pass(tmp_path: Path) -> None:
    suite = Suite(
        "raw/x",
        {"interaction": (Expectation("expect_column_values_to_not_be_null", {"column": "nope"}, "critical"),)},
    )
    frame = interactions(["phone"], [None]).to_pandas()
    with pytest.raises(SuiteError, match="expect_column_values_to_not_be_null"):
        run_suite(suite, [Table("interaction", frame=frame)], tmp_path, "raw test", NIGHT)
