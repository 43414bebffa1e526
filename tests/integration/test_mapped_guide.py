"""The guide to mapping: its examples are read by the connector as it says, its mistakes are found by line."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml

from customer360 import ingest, ledger
from customer360.connectors.mapping_check import check
from customer360.postgres import connect
from customer360.settings import Settings
from customer360.sources import SourcesConfig, SourcesError, load_sources
from projects import PROJECT

GUIDE = (PROJECT / "docs/operator/mapped.md").read_text("utf-8")
NIGHT = datetime(2026, 3, 3, tzinfo=UTC)


def blocks(info: str) -> list[tuple[str, str]]:
    """(rest of the info line, text) of the guide's fenced blocks that begin with `info`."""
    found = re.findall(rf"^```{info} ?([^\n]*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found


def workbook(text: str) -> bytes:
    """The guide's table as a real workbook, with numbers and dates as Excel keeps them."""
    book = openpyxl.Workbook()
    assert book.active is not None
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    book.active.append(header)
    for row in rows:
        book.active.append([_cell(text) for text in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _cell(text: str) -> Any:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    return datetime.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text or None


@pytest.fixture
def config(settings: Settings) -> SourcesConfig:
    """The three sources of the guide, with their files delivered."""
    sources = {key: value for _, text in blocks("yaml source") for key, value in yaml.safe_load(text).items()}
    document = {"version": 1, "company": {"timezone": "Europe/Berlin"}, "sources": sources}
    settings.sources.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    for info, text in blocks("text"):
        name, _, encoding = info.partition(" ")
        path = Path(settings.landing) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode(encoding) if encoding else workbook(text))
    return load_sources(settings.sources)


def test_the_examples_are_read_and_accounted_for(settings: Settings, config: SourcesConfig) -> None:
    found = {
        name: [(row.status, row.rows_read, row.rows_loaded, row.rows_rejected)]
        for name, source in config.sources.items()
        for row in ingest.ingest_source(settings, source, NIGHT)
    }
    assert found == {
        "erp_customers": [("loaded", 3, 2, 1)],
        "shop_events": [("loaded", 2, 2, 0)],
        "orders": [("loaded", 2, 2, 0)],
    }
    with connect(settings, application_name="test") as connection:
        files = ledger.active_files(connection, settings, NIGHT)
    lake = {(file.source, file.entity): pq.read_table(file.path).to_pylist() for file in files}
    of_zoe = {
        row["identifier_value"] for row in lake["erp_customers", "identifier"] if row["source_record_id"] == "1001"
    }
    assert of_zoe == {"erp:contact:1001", "zoe@example.com", "+493023125001", "+4915228817386"}
    order = lake["orders", "sales_order"][0]
    assert (order["contact_ref"], order["currency"]) == ("erp:contact:1001", "EUR")
    of_order = {
        (row["record_kind"], row["identifier_value"]) for row in lake["orders", "identifier"] if row["row_number"] == 1
    }
    assert of_order == {
        (kind, value) for kind in ("contact", "sales_order") for value in ("erp:contact:1001", "+4915228817386")
    }
    first, second = sorted(lake["shop_events", "interaction"], key=lambda row: row["row_number"])
    assert (first["utm_source"], first["utm_medium"], second["page_path"]) == ("google", "cpc", "/login")
    assert ("zoe@example.com", "v2") in {
        (row["identifier_value"], row["source_record_id"]) for row in lake["shop_events", "identifier"]
    }


def test_every_fragment_of_the_guide_is_a_valid_mapping() -> None:
    for _, text in blocks("yaml fragment"):
        for line in text.splitlines():
            if not line.startswith("when"):
                continue
            section = {"given_name": "a", **yaml.safe_load(line)}
            assert check({"contact_record": section}) == []
        if text.startswith("identifiers"):
            assert check({"contact_record": {"given_name": "a"}, **yaml.safe_load(text)}) == []


MISTAKES = """version: 1
company: {timezone: Europe/Berlin}
defaults: {timezone: Europe/Berlin}
sources:
  own:
    connector: mapped
    location: own/*
    mapping:
      contact_record:
        given_name: Vorname
      interaction:
        channel: {value: phone}
        occurred_at:
          column: Zeit
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("given_name: Vorname", "given_nam: Vorname", 10, "unknown key 'given_nam'; did you mean given_name?"),
        ("{value: phone}", "{value: telephone}", 12, "'telephone' is no channel: phone, email"),
        ("column: Zeit", "colum: Zeit", 14, "unknown key 'colum'"),
        ("connector: mapped", "connector: mapped\n    system: 7", 7, "system must be a text"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(MISTAKES, "utf-8")
    load_sources(path)
    path.write_text(MISTAKES.replace(old, new), "utf-8")
    with pytest.raises(SourcesError, match=re.escape(f"{path}:{line}: ") + ".*" + re.escape(message)):
        load_sources(path)
