"""Expectation suites: every file of the project loads, and a malformed one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer360.contracts import ENTITY_FIELDS
from customer360.quality.suites import SuiteError, load_suite, load_suites

EXPECTATIONS = Path(__file__).resolve().parents[2] / "expectations"


def test_raw_suites_name_only_columns_of_the_contract() -> None:
    suites = load_suites(EXPECTATIONS, "raw")
    assert {"raw/interactions", "raw/crm", "raw/mail"} <= {suite.name for suite in suites}
    for suite in suites:
        for table, expectations in suite.tables.items():
            known = {field.name for field in ENTITY_FIELDS[table]} | {"source_record_id", "row_number"}
            for expectation in expectations:
                assert expectation.arguments.get("column", "row_number") in known, (suite.name, expectation)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suite: raw/x\n", "exactly the keys"),
        ("suite: raw/y\ntables: {interaction: []}\n", "but the file is"),
        ("suite: raw/x\ntables: {}\n", "at least one table"),
        ("suite: raw/x\ntables: {interaction: [{column: a}]}\n", "needs a key expectation"),
        ("suite: raw/x\ntables: {interaction: [{expectation: e, severity: bad}]}\n", "severity is one of"),
        ("suite: [raw/x\n", "not YAML"),
    ],
)
def test_a_malformed_suite_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.yml").write_text(text, "utf-8")
    with pytest.raises(SuiteError, match=message):
        load_suite(tmp_path, "raw/x")


def test_a_missing_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no such"):
        load_suite(tmp_path, "raw/x")
