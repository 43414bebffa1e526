"""Files for marketing: the same figures in every format, nothing a spreadsheet computes, nothing cut off."""

from __future__ import annotations

import csv
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer360 import postgres
from customer360.exports import run, writers
from customer360.exports.run import ExportError, export_by_hand, export_night, is_due, prune
from customer360.exports.writers import XlsxWriter
from customer360.marketing import schema
from customer360.marketing.contract import Table
from customer360.marketing.reading import Filter, NothingPublished
from customer360.publish import publication
from customer360.publish.candidate import load
from customer360.publish.marts import Column, Mart
from customer360.publish.runs import open_run
from customer360.publish.store import ensure
from customer360.settings import Settings
from house import PEOPLE
from marketed import Company, told

NIGHT = datetime(2026, 3, 1, 23, tzinfo=UTC)  # the first instant of the second of March in the company's zone
COLUMNS = (
    Column("id", "bigint", "Key"),
    Column("label", "text", "=cmd|' /C calc'!A0"),
    Column("price", "decimal(18, 6)", "Price"),
    Column("day", "date", "Day"),
    Column("at", "timestamp", "Instant"),
    Column("is_new", "boolean", "New"),
)
THINGS = Mart("things", "Things", ("id",), COLUMNS)
TABLE = Table(
    "things",
    1,
    True,
    "One row per thing",
    ("id",),
    COLUMNS,
    "select t.id, t.label, t.price, t.day, t.at, t.is_new from {{ ref('things') }} as t",
)
NASTY = [
    "=1+1",
    "+49 89",
    "-5",
    "@sum(A1)",
    "\tx",
    "\rx",
    "\nx",
    "＝1+1",
    "'quoted",
    "plain",
    "",
    None,
    'say "x", then\nnew line',
    " spaced ",
    "#N/A",
    "ünï 漢",
    "\x01bell",
    "12",
    "true",
]


def nasty(texts: list[str | None] = NASTY) -> pa.Table:
    count = len(texts)
    prices = [Decimal(n - 3) * Decimal("0.000001") if n % 3 else Decimal(-1000 * n) for n in range(count)]
    prices[1:2] = [Decimal("123456789012.123456")] * (count > 1)  # more digits than a spreadsheet keeps
    return pa.table(
        {
            "id": list(range(count)),
            "label": pa.array(texts, pa.string()),
            "price": pa.array([None if n == 7 else price for n, price in enumerate(prices)], pa.decimal128(18, 6)),
            "day": [date(2026, 3, 1) + timedelta(days=n) for n in range(count)],
            "at": pa.array([datetime(2026, 3, 1, 12, 0, n) for n in range(count)], pa.timestamp("us")),
            "is_new": [n % 2 == 0 for n in range(count)],
        }
    )


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    settings.sources.write_text(PEOPLE, "utf-8")
    with postgres.connect(settings, application_name="test") as found:
        ensure(found, [THINGS])
        yield found


def publish(connection: Any, rows: pa.Table, night: int = 0) -> int:
    opened = open_run(connection, NIGHT + timedelta(days=night), "duckdb", "test")
    made = load(connection, opened, "duckdb", [(THINGS, rows)])
    tests = {"dbt": {"passed": 7, "warned": 1}, "expectations": {"passed": 5, "warned": 0}}
    publication.record_gate(connection, opened, made.publication_id, "pass", "", tests)
    schema.publish(connection, opened, made.publication_id, [TABLE], [THINGS])
    return made.publication_id


def sheet(path: Path, number: int) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[number].values)


# What is in the files ----------------------------------------------------------------------------


def test_every_table_is_in_every_format_and_holds_what_the_database_holds(company: Company) -> None:
    made = export_night(company.settings)
    manifest = told(made.folder / "manifest.json")
    assert manifest == made.manifest
    assert manifest["refused"] == []
    tables = {
        name for (name,) in company.ask("select name from ops.marketing_table where name not like 'publication%%'")
    }
    assert {(each["table"], each["format"]) for each in manifest["files"]} == {
        (table, kind) for table in tables for kind in ("csv", "parquet", "xlsx")
    }
    assert {path.name for path in made.folder.iterdir()} == {each["path"] for each in manifest["files"]} | {
        "manifest.json"
    }
    for each in manifest["files"]:
        path = made.folder / each["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each["sha256"]
        assert path.stat().st_size == each["bytes"]
    ((rows, amount, spend),) = company.ask("select count(*), sum(amount), sum(spend) from marketing.attribution")
    assert rows > 0
    assert manifest["tables"]["attribution"]["rows"] == rows
    parquet = pq.read_table(made.folder / "attribution.parquet")
    assert (parquet.num_rows, sum(parquet["amount"].to_pylist())) == (rows, amount)
    with (made.folder / "attribution.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert (len(lines), sum(Decimal(line["amount"]) for line in lines)) == (rows, amount)
    assert sum(Decimal(line["spend"]) for line in lines) == spend
    book = sheet(made.folder / "attribution.xlsx", 2)
    assert len(book) - 1 == rows
    assert company.persons()
    text = "".join(path.read_text("utf-8").lower() for path in made.folder.glob("*.csv"))
    assert not [person for person in company.persons() if person in text]


def test_the_cover_says_what_must_be_known_before_the_rows_are_read(settings: Settings, connection: Any) -> None:
    number = publish(connection, nasty())
    cover = dict(sheet(export_night(settings).folder / "things.xlsx", 0))
    assert cover["As of (UTC)"] == NIGHT.replace(tzinfo=None)
    assert cover["Publication"] == number
    assert cover["Filters"] == "none: every row"
    assert cover["Rows"] == len(NASTY)
    assert cover["Tests of the data"] == "12 passed, 1 only warned; gate: pass"
    with connection.cursor() as cursor:
        cursor.execute("select sum(price) from marketing.things")
        assert Decimal(cover["Total of price"]) == cursor.fetchone()[0]


def test_no_text_is_a_formula_and_no_number_is_a_text(settings: Settings, connection: Any) -> None:
    publish(connection, nasty())
    folder = export_night(settings).folder
    book = openpyxl.load_workbook(folder / "things.xlsx")
    for page in book.worksheets:
        for row in page.iter_rows():
            for cell in row:
                assert cell.data_type in {"s", "n", "d", "b"}, (page.title, cell.coordinate)
                assert not str(cell.value).startswith(("=", "+", "@", "\t", "\r", "＝"))
                assert cell.data_type != "s" or not cell.value.startswith("-")
    rows = sheet(folder / "things.xlsx", 2)[1:]
    # XML has one kind of line end, and a spreadsheet no empty text.
    escaped = [f"'{text}" if text and text[0] in "=+-@\t\r\n＝" else text for text in NASTY]
    read = [text.replace("\r", "\n") if text else None for text in escaped]
    assert [row[1] for row in rows] == [*read[:16], "\ufffdbell", *read[17:]]
    assert rows[1][2] == "123456789012.123456"  # as text: a number would be rounded
    assert rows[3][2] == -3000
    with (folder / "things.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))[1:]
    assert [line[1] for line in lines] == [
        (f"'{text}" if text and text[0] in "=+-@\t\r\n＝" else text or "") for text in NASTY
    ]
    assert (lines[3][2], lines[4][2]) == ("-3000.000000", "0.000001")
    assert b'\n10,"",-' not in (folder / "things.csv").read_bytes()
    assert b'\n10,"",' in (folder / "things.csv").read_bytes()  # an empty text is not the same as none
    assert b"\n11,," in (folder / "things.csv").read_bytes()
    assert pq.read_table(folder / "things.parquet")["label"].to_pylist() == NASTY
    (csv_file, _, xlsx_file) = told(folder / "manifest.json")["files"]
    assert csv_file["escaped_cells"] == 8
    assert xlsx_file["escaped_cells"] == 9  # with the description of a column


# Nothing is cut off ------------------------------------------------------------------------------


def test_more_rows_than_a_sheet_holds_go_into_further_sheets(tmp_path: Path) -> None:
    path = tmp_path / "things.xlsx"
    rows = [tuple(row.values()) for row in nasty(["x"] * 25).to_pylist()]
    writer = XlsxWriter(path, TABLE, [("Rows", 25)], 25, sheet_rows=11)
    writer.write(rows[:7])
    writer.write(rows[7:])
    writer.close()
    book = openpyxl.load_workbook(path)
    assert [(page.title, page.max_row) for page in book.worksheets[2:]] == [
        ("things", 11),
        ("things (2)", 11),
        ("things (3)", 6),
    ]
    said = openpyxl.load_workbook(path, read_only=True).worksheets[2:]  # what each says of itself, unread
    assert [(page.max_row, page.max_column) for page in said] == [(11, 6), (11, 6), (6, 6)]
    ids = [row[0] for page in book.worksheets[2:] for row in list(page.values)[1:]]
    assert ids == list(range(25))
    figures = writers.read_xlsx(path, TABLE)
    assert figures.rows == 25
    assert figures.sums["id"] == 300


def test_too_many_rows_are_refused_with_their_number(tmp_path: Path) -> None:
    with pytest.raises(writers.Refused, match=r"things: 5,242,876 rows are more than the 5,242,875 of 5 sheets"):
        XlsxWriter(tmp_path / "x.xlsx", TABLE, [], 5 * (1_048_576 - 1) + 1)
    assert not (tmp_path / "x.xlsx").exists()


def test_a_text_too_long_for_a_cell_refuses_the_workbook_and_says_so(settings: Settings, connection: Any) -> None:
    publish(connection, nasty(["short", "x" * 32_768, "short"]))
    made = export_night(settings)
    assert [each["format"] for each in made.manifest["files"]] == ["csv", "parquet"]
    (refusal,) = made.manifest["refused"]
    assert (refusal["table"], refusal["format"], refusal["rows"]) == ("things", "xlsx", 3)
    assert "3 rows, of which one has a text of 32,768 characters" in refusal["reason"]
    assert not (made.folder / "things.xlsx").exists()
    assert len(pq.read_table(made.folder / "things.parquet")["label"].to_pylist()[1]) == 32_768
    publish(connection, nasty(["short", "x" * 32_767, "short"]), 1)
    assert export_night(settings).refused == []


# When and where ----------------------------------------------------------------------------------


def test_a_night_is_written_once_whatever_wakes_it(settings: Settings, connection: Any) -> None:
    assert not is_due(settings)
    with pytest.raises(NothingPublished):
        export_night(settings)
    first = publish(connection, nasty())
    assert is_due(settings)
    made = export_night(settings)
    assert made.folder.name == f"2026-03-02_publication-{first}"
    assert not is_due(settings)
    before = {path: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    export_night(settings)
    assert {path: path.stat().st_mtime_ns for path in made.folder.iterdir()} == before
    publish(connection, nasty(["other"]), 1)
    assert is_due(settings)
    second = export_night(settings)
    assert (settings.exports / "latest").resolve() == second.folder
    publication.rollback(connection)
    assert (settings.exports / "latest").resolve() == second.folder
    assert export_night(settings).folder == made.folder
    assert (settings.exports / "latest").resolve() == made.folder
    assert [path.name for path in settings.exports.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_file_is_written_anew(settings: Settings, connection: Any) -> None:
    publish(connection, nasty())
    made = export_night(settings)
    (made.folder / "things.csv").write_text("damaged", "utf-8")
    again = export_night(settings)
    assert again.manifest == told(again.folder / "manifest.json")
    assert (again.folder / "things.csv").read_bytes() != b"damaged"


def test_what_a_dead_export_left_is_not_shown_and_goes(settings: Settings, connection: Any) -> None:
    for night in range(3):
        publish(connection, nasty(["x"] * (night + 1)), night * 20)
        export_night(settings)
    left = settings.exports / ".2026-03-02_publication-1.abc.tmp"
    left.mkdir()
    assert prune(settings, NIGHT) == 0
    os.utime(left, (time.time() - 2 * 86_400,) * 2)
    assert prune(settings, NIGHT + timedelta(days=10)) == 2  # the oldest night, and what was left
    assert sorted(path.name[:10] for path in settings.exports.iterdir()) == ["2026-03-22", "2026-04-11", "latest"]
    assert prune(settings, NIGHT + timedelta(days=100)) == 1  # never what `latest` points at
    assert sorted(path.name[:10] for path in settings.exports.iterdir()) == ["2026-04-11", "latest"]


def test_two_exports_do_not_write_the_same_night(settings: Settings, connection: Any) -> None:
    publish(connection, nasty())
    with run._alone(settings), pytest.raises(ExportError, match="another export"):
        export_night(settings)


def test_a_database_that_drifted_is_not_delivered(settings: Settings, connection: Any) -> None:
    publish(connection, nasty())
    with connection.cursor() as cursor:
        cursor.execute("comment on column marketing.things.price is 'other'")
    connection.commit()
    with pytest.raises(ExportError, match=r"things.price: its comment"):
        export_night(settings)
    assert not settings.exports.exists()


# By hand -----------------------------------------------------------------------------------------


def test_a_filter_shows_in_rows_totals_and_on_the_cover(company: Company, tmp_path: Path) -> None:
    filters = [Filter("model", "linear"), Filter("grain", "channel")]
    made = export_by_hand(company.settings, tmp_path / "mine", ["attribution"], ["xlsx", "csv"], filters)
    ((rows,),) = company.ask("select count(*) from marketing.attribution where model = 'linear' and grain = 'channel'")
    assert rows > 0
    assert made.manifest["tables"]["attribution"]["rows"] == rows
    assert made.manifest["filters"] == [
        {"column": "model", "value": "linear"},
        {"column": "grain", "value": "channel"},
    ]
    assert dict(sheet(made.folder / "attribution.xlsx", 0))["Filters"] == "model = linear; grain = channel"
    assert {path.name for path in made.folder.iterdir()} == {"attribution.csv", "attribution.xlsx", "manifest.json"}


@pytest.mark.parametrize(
    ("tables", "formats", "filters", "said"),
    [
        (["nothing"], ["csv"], [], "unknown: nothing; known: ad_spend, attribution"),
        ([], ["ods"], [], "unknown: ods; known: csv, parquet, xlsx"),
        (["source_quality"], ["csv"], [Filter("model", "x")], "source_quality has no column model"),
    ],
)
def test_what_is_not_known_is_said(
    company: Company, tmp_path: Path, tables: list[str], formats: list[str], filters: list[Filter], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        export_by_hand(company.settings, tmp_path / "mine", tables, formats, filters)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_hold_the_databases_figures_is_never_shown(
    settings: Settings, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(connection, nasty())
    whole = writers.CsvWriter.write
    monkeypatch.setattr(writers.CsvWriter, "write", lambda self, rows: whole(self, rows[:-1]))
    with pytest.raises(ExportError, match=r"things.csv holds 18 rows .* the database 19"):
        export_night(settings)
    assert list(settings.exports.iterdir()) == []
    assert is_due(settings)


def test_versions_of_the_contract_decide_whether_files_are_current(settings: Settings, connection: Any) -> None:
    publish(connection, nasty())
    made = export_night(settings)
    with connection.cursor() as cursor:
        schema.apply(cursor, [replace(TABLE, is_latest=False), replace(TABLE, version=2)], [THINGS])
    connection.commit()
    assert made.manifest["tables"]["things"]["version"] == 1
    assert export_night(settings).manifest["tables"]["things"]["version"] == 2
