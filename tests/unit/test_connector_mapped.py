"""`mapped`: users' own files of every format, foreign in words, numbers and dates, to the row."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import Batch, UnreadableFile
from customer360.connectors.mapping_check import check

CONTACT: dict[str, Any] = {"record_id": "id", "contact_record": {"family_name": "name"}}
EVENT: dict[str, Any] = {"record_id": "id", "interaction": {"channel": {"value": "web"}, "occurred_at": "at"}}


def mapped(content: bytes | str, mapping: dict[str, Any], **fields: Any) -> list[Batch]:
    assert check(mapping) == []
    return read("mapped", content, mapping=mapping, **fields)


def event(**cells: str) -> dict[str, Any]:
    """The interaction that one CSV row of `cells` becomes, each column mapped by its own name."""
    columns = {"id": "1", "at": "2026-01-02 10:00:00", **cells}
    text = ";".join(columns) + "\n" + ";".join(columns.values()) + "\n"
    interaction = {**EVENT["interaction"], **{name: name for name in cells}}
    return one(mapped(text, {**EVENT, "delimiter": ";", "interaction": interaction}))


def refusals(batches: list[Batch]) -> list[tuple[int, str, str | None]]:
    return sorted((each.row_number, each.reason, each.detail) for batch in batches for each in batch.rejected)


def excel(*table: list[Any], before: int = 0) -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for _ in range(before):
        book.active.append(["title"])
    for row in table:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


# CSV --------------------------------------------------------------------------------------------------


def test_columns_may_be_set_with_blanks() -> None:
    """As many blanks as stand between two cells are one delimiter, also where every line happens to have as many."""
    mapping = {
        "delimiter": " ",
        "sales_order": {
            "ordered_at": {"column": "date", "format": "%Y%m%d"}, "amount": "dollar_value", "contact_ref": "customer_id",
        },
    }  # fmt: skip
    text = " customer_id  date number  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  5   77.00 \r\n 3 19970113 9\r\n"
    batches = mapped(text, mapping)
    found = [(row["contact_ref"], row["ordered_at"].day, row["amount"]) for row in rows(batches, "sales_order")]
    assert found == [("s:contact:00001", 1, Decimal("11.77")), ("s:contact:00002", 12, Decimal("77.00"))]
    assert refusals(batches) == [(3, "bad_width", "3 cells instead of 4")]
    single = mapped(" id  at\n 1  2026-01-02\n", {**EVENT, "delimiter": " "})
    assert [row["source_record_id"] for row in rows(single)] == ["1"]


GERMAN = {
    "delimiter": ";",
    "decimal": ",",
    "record_id": "Nr",
    "contact_record": {
        "kind": {"column": "Typ", "values": {"Privat": "contact", "Firma": "account"}},
        "given_name": "Vorname",
        "family_name": "Nachname",
        "observed_at": {"column": "Geändert", "format": "%d.%m.%Y %H:%M"},
        "consent": {"email": "Newsletter"},
        "attributes": ["Größe"],
    },
    "sales_order": {"amount": "Betrag", "ordered_at": {"column": "Datum", "format": "%d.%m.%Y"}},
    "identifiers": [{"type": "email", "column": "E-Mail"}, {"type": "phone", "column": ["Tel1", "Tel2"], "split": "/"}],
}


def test_a_german_file() -> None:
    text = (
        "Nr;Typ;Vorname;Nachname;E-Mail;Tel1;Tel2;Betrag;Datum;Geändert;Newsletter;Größe\r\n"
        "K1;privat ;Zoë;Müller;Zoe@Example.com;030 23125001 / 0152 28817386;;1.234,56;31.01.2026;28.02.2026 09:15;ja;L\r\n"
    )
    batches = mapped(
        text.encode("cp1252"),
        GERMAN,
        zone="Europe/Berlin",
        encoding="cp1252",
        phone_region="DE",
        system="erp",
        currency="EUR",
    )
    record, order = one(batches, "contact_record"), one(batches, "sales_order")
    assert (record["record_kind"], record["given_name"], record["family_name"]) == ("contact", "Zoë", "Müller")
    assert record["observed_at"] == datetime(2026, 2, 28, 8, 15, tzinfo=UTC)
    assert (record["consent"], record["attributes"]) == ('{"email":true}', '{"Größe":"L"}')
    assert (order["amount"], order["currency"]) == (Decimal("1234.56"), "EUR")
    assert order["ordered_at"] == datetime(2026, 1, 30, 23, tzinfo=UTC)
    kinds = {row["record_kind"] for row in rows(batches, "identifier")}
    assert kinds == {"contact", "sales_order"}
    assert identifiers(batches) == {
        ("account_ref", "erp:contact:K1", True),
        ("email", "zoe@example.com", True),
        ("phone", "+493023125001", True),
        ("phone", "+4915228817386", True),
    }


def test_values_that_do_not_fit_name_the_column_and_keep_the_line() -> None:
    text = (
        "Nr;Typ;Vorname;Nachname;E-Mail;Tel1;Tel2;Betrag;Datum;Geändert;Newsletter;Größe\n"
        "1;Privat;a;b;;;;1,5;31.02.2026;28.02.2026 09:15;ja;\n"
        "2;Privat;a;b;;;;viel;28.02.2026;28.02.2026 09:15;ja;\n"
        "3;Verein;a;b;;;;1;28.02.2026;28.02.2026 09:15;ja;\n"
        "4;Privat;a;b;;;;1;28.02.2026;28.02.2026 09:15;vielleicht;\n"
        ";Privat;a;b;;;;1;28.02.2026;28.02.2026 09:15;ja;\n"
        "6;Privat;a;b;;;;1;;28.02.2026 09:15;ja;\n"
        "7;Privat;a;b;;;;;28.02.2026;28.02.2026 09:15;;\n"
    )
    batches = mapped(text, GERMAN)
    assert refusals(batches) == [
        (1, "bad_value", "Datum"),
        (2, "bad_value", "Betrag"),
        (3, "unknown_value", "Typ"),
        (4, "bad_value", "Newsletter"),
        (5, "missing_id", "Nr"),
        (6, "missing_value", "Datum"),
    ]
    assert one(batches, "contact_record")["source_record_id"] == "7"
    lines = text.splitlines()
    for batch in batches:
        for each in batch.rejected:
            assert each.line == each.row_number + 1
            assert each.raw == lines[each.row_number].encode()


@pytest.mark.parametrize("packed", [False, True])
def test_a_flawed_file_loses_only_its_flaws(packed: bool) -> None:
    """One quoted line end, one short record, one open quote: the rest is read, and every place is right."""
    text = 'id,name\n1,Weber\n2,"Ott\nund Sohn"\n3\n4,Klein\n\n5,"Roth\n6,Wolf\n'
    content = gzip.compress(text.encode()) if packed else text.encode()
    batches = mapped(content, CONTACT)
    assert [(row["source_record_id"], row["family_name"]) for row in rows(batches, "contact_record")] == [
        ("1", "Weber"),
        ("2", "Ott\nund Sohn"),
        ("4", "Klein"),
        ("6", "Wolf"),
    ]
    assert reasons(batches) == [(3, "bad_width"), (5, "broken_quote")]
    assert [each.line for batch in batches for each in batch.rejected] == [5, 8]


@pytest.mark.parametrize("flaw", ["", "9\n", "\n"])
def test_rows_of_a_flawless_and_of_a_flawed_file_are_the_same(flaw: str) -> None:
    given = [f"{number},Name {number}" for number in range(1, 6)]
    text = "id,name\n" + "\n".join(given[:3]) + "\n" + flaw + "\n".join(given[3:]) + "\n"
    mapping = {"contact_record": {"family_name": "name"}}
    found = rows(mapped(text, mapping), "contact_record")
    plain = rows(mapped("id,name\n" + "\n".join(given) + "\n", mapping), "contact_record")
    assert [row["source_record_id"] for row in found] == [row["source_record_id"] for row in plain]
    assert [row["family_name"] for row in found] == [f"Name {number}" for number in range(1, 6)]


def test_lines_are_right_when_some_are_blank() -> None:
    text = "id;at\n\n1;soon\n\n\n2;soon\n"
    assert [(each.row_number, each.line) for each in mapped(text, EVENT)[0].rejected] == [(1, 3), (2, 6)]


@pytest.mark.parametrize("before", ["Report of March\n", "Report of March\n\nby Al\n"])
def test_the_header_stands_on_a_line(before: str) -> None:
    mapping = {**EVENT, "header_row": before.count("\n") + 1}
    batches = mapped(before + "id;at\n1;2026-01-02\n2;soon\n", mapping)
    assert one(batches)["source_record_id"] == "1"
    assert batches[0].rejected[0].line == before.count("\n") + 3


def test_columns_are_found_whatever_their_case_blanks_and_accents() -> None:
    decomposed = "  PRE\u0301NOM ,Id,extra\nZoé,1,x\n"
    mapping = {"record_id": "id", "contact_record": {"given_name": "Prénom"}}
    assert one(mapped(decomposed, mapping), "contact_record")["given_name"] == "Zoé"


def test_missing_and_ambiguous_columns_fail_the_file_by_name() -> None:
    mapping = {**CONTACT, "identifiers": [{"type": "email", "column": "Mail"}]}
    with pytest.raises(UnreadableFile, match="missing_column: name, Mail"):
        mapped("id,city\n1,Rome\n", mapping)
    with pytest.raises(UnreadableFile, match="ambiguous_column: name"):
        mapped("id,name,name\n1,a,b\n", CONTACT)


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16", ""), ("cp1252", ""), ("gb18030", "")]
)
def test_encodings(encoding: str, mark: str) -> None:
    name = "李小龙王明" if encoding == "gb18030" else "Müller Straße"
    content = (mark + f"id\tname\n1\t{name}\n2\t{name}\t\n").encode(encoding)
    batches = mapped(content, CONTACT, encoding="cp1252" if encoding == "cp1252" else "auto")
    assert one(batches, "contact_record")["family_name"] == name
    assert batches[0].rejected[0].raw.decode(encoding.replace("utf-16", "utf-16")) == f"2\t{name}\t"


def test_frames_join_without_seams() -> None:
    """More rows than one frame takes: numbers go on, and equal rows are told apart across frames."""
    count = 200_001
    text = "name;city\n" + "".join(f"n{number};x\n" for number in range(count)) + "n0;x\n"
    batches = mapped(text, {"contact_record": {"family_name": "name"}})
    assert len(batches) > 1
    numbers = pa.concat_tables([batch.tables["contact_record"] for batch in batches])
    assert numbers.column("row_number").to_pylist() == list(range(1, count + 2))
    ids = numbers.column("source_record_id").to_pylist()
    assert len(set(ids)) == count + 1
    assert ids[0].endswith(":1")
    assert ids[-1] == ids[0].removesuffix(":1") + ":2"


# JSON -------------------------------------------------------------------------------------------------


def test_nested_json_lines() -> None:
    lines = [
        {
            "event": {"id": 7},
            "at": "2026-01-02T10:00:00+01:00",
            "who": {"emails": [{"v": "a@example.com"}, {"v": "b@example.com"}]},
        },
        {"event": {"id": 8.0}, "at": 1767348000, "flat.name": "x", "tags": ["c-1", "c-2"], "big": 12345678901234567890},
    ]
    mapping = {
        "record_id": "event.id",
        "interaction": {"channel": {"value": "web"}, "occurred_at": "at", "subject": "flat.name", "session_id": "big"},
        "identifiers": [
            {"type": "email", "column": "who.emails.*.v", "split": ";"},
            {"type": "handle", "column": "who.emails.1.v"},
            {"type": "cookie", "column": "tags", "split": ";"},
        ],
    }
    text = json.dumps(lines[0]) + "\n\n" + "{broken\n" + "[1]\n" + json.dumps(lines[1]) + "\n"
    batches = mapped(text, mapping)
    first, second = rows(batches)
    assert [first["source_record_id"], second["source_record_id"]] == ["7", "8"]
    assert first["occurred_at"] == datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert (first["utc_offset_minutes"], second["utc_offset_minutes"]) == (60, 0)
    assert (first["subject"], second["subject"], second["session_id"]) == (None, "x", "12345678901234567890")
    assert identifiers(batches, first["row_number"]) == {
        ("email", "a@example.com", True),
        ("email", "b@example.com", True),
        ("handle", "b@example.com", True),
    }
    assert identifiers(batches, second["row_number"]) == {("cookie", "c-1", True), ("cookie", "c-2", True)}
    assert reasons(batches) == [(2, "bad_json"), (3, "bad_json")]
    assert [(each.line, each.raw) for each in batches[0].rejected] == [(3, b"{broken"), (4, b"[1]")]


def test_text_that_looks_like_a_number_or_list_stays_text() -> None:
    line = json.dumps({"id": "5.0", "at": "2026-01-02", "subject": "[a]", "session_id": 5.0})
    interaction = {**EVENT["interaction"], "subject": "subject", "session_id": "session_id"}
    found = one(mapped(line + "\n", {**EVENT, "interaction": interaction}))
    assert (found["source_record_id"], found["subject"], found["session_id"]) == ("5.0", "[a]", "5")


RECORDS = [{"id": "1", "at": "2026-01-02"}, {"id": "2", "at": "soon"}]


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ("\n".join(map(json.dumps, RECORDS)), {}),
        ("\ufeff" + "\n".join(map(json.dumps, RECORDS)), {}),
        (json.dumps(RECORDS), {}),
        (json.dumps(RECORDS, indent=2), {}),
        ("\ufeff" + json.dumps(RECORDS), {}),
        (json.dumps({"data": {"items": RECORDS}}, indent=2), {"records": "data.items"}),
        (json.dumps({"data": {"items": RECORDS}}), {"records": "data.items"}),
    ],
)
def test_forms_of_json(content: str, more: dict[str, Any]) -> None:
    batches = mapped(content, {**EVENT, **more})
    assert one(batches)["source_record_id"] == "1"
    assert refusals(batches) == [(2, "bad_value", "at")]
    assert json.loads(batches[0].rejected[0].raw) == RECORDS[1]


@pytest.mark.parametrize(
    ("content", "more", "reason"),
    [
        ('[{"id": 1}', {}, "bad_json"),
        ("no json\nat all\n", {"format": "jsonl"}, "bad_json"),
        ('{"data": []}', {"records": "items"}, "missing_records"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), {}, "unsupported_format"),
        (b"PK\x03\x04 no workbook", {}, "bad_xlsx"),
        (b"PAR1 no parquet", {}, "bad_parquet"),
        (b"", {}, "empty"),
    ],
)
def test_files_of_which_nothing_can_be_used(content: bytes | str, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        mapped(content, {**EVENT, **more})
    assert caught.value.reason == reason


# Parquet and XLSX -------------------------------------------------------------------------------------


def test_typed_parquet() -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "zoned": pa.array([datetime(2026, 7, 1, 10, tzinfo=UTC), None], pa.timestamp("ns", tz="America/New_York")),
            "local": pa.array([datetime(2026, 7, 1, 10), datetime(2026, 10, 25, 2, 30)], pa.timestamp("ms")),
            "paid": pa.array([Decimal("12.34"), Decimal("-1.00")], pa.decimal128(9, 2)),
            "share": pa.array([float("nan"), 2.5], pa.float64()),
            "tel": pa.array([13800138000.0, None], pa.float64()),
            "who": pa.array([{"mail": "a@example.com"}, None], pa.struct([("mail", pa.string())])),
            "tags": pa.array([["x", "y"], []], pa.list_(pa.string())),
            "kind": pa.array(["Call", "Call"]).dictionary_encode(),
            "code": pa.array([b"abc", None], pa.binary()),
        }
    )
    mapping = {
        "record_id": "id",
        "interaction": {
            "channel": {"column": "kind", "values": {"call": "phone"}},
            "occurred_at": "local",
            "cost": "paid",
            "duration_s": "share",
            "session_id": "code",
        },
        "sales_order": {"ordered_at": "local", "delivered_at": "zoned"},
        "identifiers": [
            {"type": "phone", "column": "tel"},
            {"type": "email", "column": "who.mail"},
            {"type": "cookie", "column": "tags", "split": ";"},
        ],
    }
    batches = mapped(parquet(table), mapping, zone="Europe/Berlin", phone_region="CN")
    first, second = rows(batches)
    assert [first["source_record_id"], first["channel"], first["session_id"]] == ["1", "phone", "abc"]
    assert first["occurred_at"] == datetime(2026, 7, 1, 8, tzinfo=UTC)
    assert (first["utc_offset_minutes"], second["utc_offset_minutes"], second["flags"]) == (120, 120, "dst_ambiguous")
    assert (first["cost"], second["cost"]) == (Decimal("12.34"), Decimal(-1))
    assert (first["duration_s"], second["duration_s"]) == (None, 2)
    assert rows(batches, "sales_order")[0]["delivered_at"] == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert identifiers(batches, 1) == {
        ("phone", "+8613800138000", True),
        ("email", "a@example.com", True),
        ("cookie", "x", True),
        ("cookie", "y", True),
    }
    assert identifiers(batches, 2) == set()


def test_a_parquet_file_lacking_a_column() -> None:
    with pytest.raises(UnreadableFile, match="missing_column: name"):
        mapped(parquet(pa.table({"id": [1]})), CONTACT)


def test_a_workbook() -> None:
    content = excel(
        ["Nr", "Wann", "Telefon", "Summe", "Datum"],
        [7.0, datetime(2026, 1, 2, 10, 30), 13800138000.0, 12.5, datetime(2026, 1, 2)],
        [None, None, None, None, None],
        ["8", datetime(2026, 1, 3), "138 0013 8000", "1,5", "03.01.2026"],
        ["9", time(10, 0), None, None, None],
        before=2,
    )
    mapping = {
        "header_row": 3,
        "decimal": ",",
        "record_id": "Nr",
        "interaction": {"channel": {"value": "phone"}, "occurred_at": "Wann", "cost": "Summe"},
        "contact_record": {"birth_date": {"column": "Datum", "format": "%d.%m.%Y"}},
        "identifiers": [{"type": "phone", "column": "Telefon"}],
    }
    batches = mapped(content, mapping, zone="Europe/Berlin", phone_region="CN")
    first, second = rows(batches)
    assert (first["source_record_id"], second["source_record_id"]) == ("7", "8")
    assert first["occurred_at"] == datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
    assert (first["cost"], second["cost"]) == (Decimal("12.5"), Decimal("1.5"))
    assert [row["birth_date"] for row in rows(batches, "contact_record")] == [date(2026, 1, 2), date(2026, 1, 3)]
    phones = {value for kind, value, _ in identifiers(batches) if kind == "phone"}
    assert phones == {"+8613800138000"}
    assert refusals(batches) == [(3, "bad_value", "Wann")]
    assert batches[0].rejected[0].line == 7
    assert json.loads(batches[0].rejected[0].raw)["Nr"] == "9"


def test_a_worksheet_by_name() -> None:
    with pytest.raises(UnreadableFile, match="missing_sheet: März; there are Sheet"):
        mapped(excel(["id", "name"]), {**CONTACT, "sheet": "März"})


# Values -----------------------------------------------------------------------------------------------


def test_lookups_constants_joins_defaults_and_factors() -> None:
    mapping = {
        "record_id": ["shop", "no"],
        "interaction": {
            "channel": {
                "column": "Art",
                "values": {"Straße": "in_person", "TEL": "phone", "yes": "web", "?": None},
                "default": "media",
            },
            "direction": {"column": "dir", "values": {"aus": "outbound"}},
            "occurred_at": {"column": "at", "timezone": "Asia/Tokyo"},
            "subject": {"columns": ["a", "b"], "join": " / "},
            "duration_s": {"column": "ms", "factor": 0.001},
            "event_name": {"value": "talk"},
            "outcome": {"column": "b", "default": "none given"},
        },
    }
    text = (
        "shop;no;Art;dir;at;a;b;ms\n"
        "s;1;STRASSE;aus;2026-01-02 10:00:00;x;y;61500\n"
        "s;2;tel;;2026-01-02 10:00:00;x;;\n"
        "s;3;YES;;2026-01-02 10:00:00;;;\n"
        "s;4;;;2026-01-02 10:00:00;;;\n"
        "s;5;other;;2026-01-02 10:00:00;;;1e12\n"
        "s;6;?;;2026-01-02 10:00:00;;;\n"
    )
    batches = mapped(text, mapping, zone="Europe/Berlin")
    found = rows(batches)
    assert [row["source_record_id"] for row in found] == ["s|1", "s|2", "s|3", "s|4"]
    assert [row["channel"] for row in found] == ["in_person", "phone", "web", "media"]
    assert [row["direction"] for row in found] == ["outbound", "inbound", "inbound", "inbound"]
    assert [row["is_touch"] for row in found] == [False, True, True, True]
    assert [row["subject"] for row in found] == ["x / y", "x", None, None]
    assert [row["outcome"] for row in found] == ["y", "none given", "none given", "none given"]
    assert (found[0]["duration_s"], found[0]["event_name"]) == (62, "talk")
    assert found[0]["occurred_at"] == datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert found[0]["utc_offset_minutes"] == 540
    assert refusals(batches) == [(5, "bad_value", "ms"), (6, "missing_value", "Art")]


def test_pages_bring_their_campaign_and_programs_are_bots() -> None:
    mapping = {
        **EVENT,
        "interaction": {
            **EVENT["interaction"],
            "page_url": "url",
            "utm_source": "src",
            "referrer_host": "ref",
            "user_agent": "ua",
        },
    }
    text = (
        "id\tat\turl\tsrc\tref\tua\n"
        "1\t2026-01-02\thttps://example.com/a?utm_source=x&utm_campaign=Spring%20Sale&fbclid=1\t News  Letter \t"
        "https://www.example.org/x\tMozilla/5.0 (X11; Linux) Firefox/130.0\n"
        "2\t2026-01-02\t/b?utm_source=Google\t\texample.net\tGooglebot/2.1\n"
        "3\t2026-01-02\t\t\t\t\n"
    )
    first, second, third = rows(mapped(text, mapping))
    assert (first["utm_source"], first["utm_campaign"], first["click_id_type"]) == (
        "news letter",
        "spring sale",
        "fbclid",
    )
    assert (first["page_path"], first["referrer_host"]) == ("/a", "www.example.org")
    assert (second["utm_source"], second["page_path"], second["referrer_host"]) == ("google", "/b", "example.net")
    assert [row["interaction_class"] for row in (first, second, third)] == ["person", "bot", "person"]
    assert [row["is_touch"] for row in (first, second, third)] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("duration_s", "1:02:03", 3723),
        ("duration_s", "2:03", 123),
        ("duration_s", "12.6", 13),
        ("direction", "Outbound", "outbound"),
        ("interaction_class", "BOT", "bot"),
        ("is_touch", "nein", False),
        ("currency", "eur", "EUR"),
        ("currency", "€", "EUR"),
        ("cost", "US$ 1,234.50", Decimal("1234.5")),
        ("utm_medium", "CPC", "cpc"),
        ("flags", "short_code", "short_code"),
    ],
)
def test_values_as_people_write_them(name: str, text: str, expected: object) -> None:
    assert event(**{name: text})[name] == expected


def test_a_number_too_large_for_its_column_is_refused_not_wrapped() -> None:
    text = "id,at,long,dear\n1,2026-01-02,3000000000,1\n2,2026-01-02,1,1000000000000\n"
    interaction = {**EVENT["interaction"], "duration_s": "long", "cost": "dear"}
    batches = mapped(text, {**EVENT, "interaction": interaction})
    assert refusals(batches) == [(1, "bad_value", "long"), (2, "bad_value", "dear")]


def test_amounts_without_a_currency_are_in_the_sources() -> None:
    mapping = {"record_id": "id", "opportunity": {"amount": "a", "currency": "c"}, "ad_spend": {
        "spend_date": {"value": "2026-01-02"}, "platform": {"value": "meta"}, "cost": "a"}}  # fmt: skip
    batches = mapped("id,a,c\n1,5,\n2,5,usd\n", mapping, currency="EUR")
    assert [row["currency"] for row in rows(batches, "opportunity")] == ["EUR", "USD"]
    assert [row["currency"] for row in rows(batches, "ad_spend")] == ["EUR", "EUR"]


# Sections, ids and identifiers ------------------------------------------------------------------------


def test_sections_take_the_rows_that_meet_their_conditions() -> None:
    mapping = {
        "record_id": "id",
        "contact_record": {"family_name": "name", "when": {"column": "typ", "in": ["Kunde"]}},
        "interaction": {
            "channel": {"value": "phone"},
            "occurred_at": "at",
            "when": [{"column": "typ", "not_in": ["Kunde"]}, {"column": "at", "present": True}],
        },
        "identifiers": [
            {"type": "email", "column": "mail", "of": "contact_record"},
            {"type": "loyalty", "column": "mail", "when": {"column": "typ", "in": ["Anruf"]}},
        ],
    }
    text = "id,typ,name,at,mail\n1,KUNDE,Weber,,a@example.com\n2,Anruf,,2026-01-02,b@example.com\n3,Anruf,,,\n4,,,2026-01-02,\n"
    batches = mapped(text, mapping)
    assert [row["source_record_id"] for row in rows(batches, "contact_record")] == ["1"]
    assert [row["source_record_id"] for row in rows(batches)] == ["2", "4"]
    assert reasons(batches) == [(3, "no_section")]
    assert identifiers(batches, 1) == {("account_ref", "s:contact:1", True), ("email", "a@example.com", True)}
    assert identifiers(batches, 2) == {("loyalty", "b@example.com", True)}


def test_an_order_that_states_its_customer() -> None:
    mapping = {
        "record_id": "order",
        "contact_record": {"record_id": "customer", "kind": "user", "full_name": "name", "merged_into": "now"},
        "sales_order": {
            "ordered_at": "at",
            "contact_ref": {"column": "lead", "namespace": "salesforce", "kind": "lead"},
            "account_ref": "firm",
            "opportunity_ref": "deal",
        },
        "identifiers": [{"type": "account_ref", "column": "old", "namespace": "crm"}],
    }
    text = "order,customer,name,now,at,lead,firm,deal,old\nA1,K1,Zoe,K9,2026-01-02,00Q1,F1,D1,7\n"
    batches = mapped(text, mapping, system="erp")
    record, order = one(batches, "contact_record"), one(batches, "sales_order")
    assert (record["source_record_id"], record["record_kind"], record["merged_into"]) == ("K1", "user", "K9")
    assert (order["source_record_id"], order["contact_ref"]) == ("A1", "salesforce:lead:00Q1")
    assert (order["account_ref"], order["opportunity_ref"]) == ("erp:account:F1", "D1")
    found = {
        kind: {row["identifier_value"] for row in rows(batches, "identifier") if row["record_kind"] == kind}
        for kind in ("user", "sales_order")
    }
    assert found == {
        "user": {"erp:user:K1", "erp:user:K9", "crm:contact:7"},
        "sales_order": {"erp:user:K1", "salesforce:lead:00Q1", "crm:contact:7"},
    }


def test_long_form_namespaces_regions_and_what_is_no_identifier() -> None:
    mapping = {
        **EVENT,
        "identifiers": [
            {"type_column": "art", "value_column": "wert", "types": {"Mail": "email", "Tel": "phone"}},
            {"type": "cookie", "column": "cid", "namespace": "site"},
            {
                "type": "fax",
                "column": "fax",
                "region": {"column": "land", "values": {"England": "GB"}, "default": "DE"},
            },
        ],
    }
    text = (
        "id,at,art,wert,cid,fax,land\n"
        "1,2026-01-02,MAIL,A@example.com,c1,020 7946 0001,england\n"
        "2,2026-01-02,tel,anonymous,,030 23125001,\n"
        "3,2026-01-02,mail,no address,,,\n"
        "4,2026-01-02,Brief,Marktplatz 1,,,\n"
    )
    batches = mapped(text, mapping, phone_region="US")
    assert identifiers(batches, 1) == {
        ("email", "a@example.com", True),
        ("cookie", "site:c1", True),
        ("fax", "+442079460001", True),
    }
    assert identifiers(batches, 2) == {("fax", "+493023125001", True)}
    assert identifiers(batches, 3) == {("email", "no address", False)}
    assert identifiers(batches, 4) == set()


def test_each_number_is_dialled_in_its_own_region() -> None:
    mapping = {**EVENT, "identifiers": [{"type": "phone", "column": "tel", "region": {"column": "land"}}]}
    given = [("GB", "020 7946 0001"), ("DE", "030 23125001"), ("gb", "020 7946 0002"), ("", "(202) 555-0143")]
    given += [("DE", "030 23125002"), ("GB", "020 7946 0003")]
    text = "id;at;land;tel\n" + "".join(f"{at};2026-01-02;{land};{tel}\n" for at, (land, tel) in enumerate(given, 1))
    batches = mapped(text, mapping, phone_region="US")
    assert [value for at in range(1, 7) for _, value, _ in identifiers(batches, at)] == [
        "+442079460001",
        "+493023125001",
        "+442079460002",
        "+12025550143",
        "+493023125002",
        "+442079460003",
    ]


def test_opportunities_and_their_stages() -> None:
    mapping = {
        "record_id": "id",
        "opportunity": {"stage": "stage", "probability": "p", "contact_ref": "who"},
        "opportunity_stage": {"opportunity_ref": "deal", "stage": "stage", "entered_at": "at"},
    }
    batches = mapped("id,deal,stage,p,who,at\n1,D1,Won,100,K1,2026-01-02\n", mapping)
    assert one(batches, "opportunity_stage")["opportunity_ref"] == "D1"
    assert one(batches, "opportunity")["contact_ref"] == "s:contact:K1"
    assert [(row["record_kind"], row["identifier_value"]) for row in rows(batches, "identifier")] == [
        ("opportunity", "s:contact:K1")
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet", "xlsx"])
def test_without_an_id_the_content_is_it_whatever_the_mapping(form: str) -> None:
    given = [{"name": "Weber", "city": "Rome"}, {"name": "Weber", "city": "Oslo"}, {"name": "Weber", "city": "Rome"}]
    contents: dict[str, bytes | str] = {
        "csv": "name,city\n" + "".join(f"{row['name']},{row['city']}\n" for row in given),
        "jsonl": "".join(json.dumps(row) + "\n" for row in given),
        "json": json.dumps(given),
        "parquet": parquet(pa.Table.from_pylist(given)),
        "xlsx": excel(["name", "city"], *([row["name"], row["city"]] for row in given)),
    }
    content = contents[form]
    ids = [
        row["source_record_id"]
        for row in rows(mapped(content, {"contact_record": {"family_name": "name"}}), "contact_record")
    ]
    other = [
        row["source_record_id"] for row in rows(mapped(content, {"contact_record": {"city": "city"}}), "contact_record")
    ]
    assert ids == other
    assert len(set(ids)) == 3
    assert ids[2] == ids[0].removesuffix(":1") + ":2"
    assert ids[1].endswith(":1")


# Mistakes in a mapping --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "path", "message"),
    [
        ({}, (), "at least one of"),
        ({**EVENT, "fromat": "csv"}, ("fromat",), "did you mean format?"),
        ({**EVENT, "format": "xml"}, ("format",), "format is one of"),
        ({**EVENT, "delimiter": ";;"}, ("delimiter",), "one character"),
        ({**EVENT, "header_row": 0}, ("header_row",), "from 1"),
        ({**EVENT, "record_id": 7}, ("record_id",), "in quotes"),
        ({"interaction": {"occurred_at": "at"}}, ("interaction",), "lacks channel"),
        (
            {"interaction": {"channel": {"value": "letter"}, "occurred_at": "at"}},
            ("interaction", "channel", "value"),
            "no channel",
        ),
        (
            {"interaction": {"channel": {"column": "c", "values": {"T": "fone"}}, "occurred_at": "at"}},
            ("interaction", "channel", "values", "T"),
            "'fone' is no channel",
        ),
        (
            {"interaction": {"channel": {"column": "c", "default": "fone"}, "occurred_at": "at"}},
            ("interaction", "channel", "default"),
            "'fone' is no channel",
        ),
        (
            {"interaction": {**EVENT["interaction"], "cost": {"value": "free"}}},
            ("interaction", "cost", "value"),
            "'free' is no cost",
        ),
        (
            {"interaction": {**EVENT["interaction"], "occurred_at": {"column": "at", "format": "dd.mm.yyyy"}}},
            ("interaction", "occurred_at", "format"),
            "strptime",
        ),
        (
            {"interaction": {**EVENT["interaction"], "occurred_at": {"column": "at", "timezone": "Europe/Berlni"}}},
            ("interaction", "occurred_at", "timezone"),
            "did you mean Europe/Berlin?",
        ),
        (
            {"interaction": {**EVENT["interaction"], "subject": {"column": "at", "format": "%d"}}},
            ("interaction", "subject", "format"),
            "unknown key 'format'",
        ),
        (
            {"interaction": {**EVENT["interaction"], "subject": {"column": "a", "value": "b"}}},
            ("interaction", "subject"),
            "one of value, column, columns",
        ),
        ({"contact_record": {"family_name": 2024}}, ("contact_record", "family_name"), "in quotes"),
        ({"contact_record": {"kind": "person"}}, ("contact_record", "kind"), "kind is one of"),
        ({"contact_record": {"consent": {"mail": "x"}}}, ("contact_record", "consent", "mail"), "did you mean email?"),
        ({"contact_record": {"consent": {"email": 1}}}, ("contact_record", "consent", "email"), "column of the file"),
        ({"contact_record": {"when": {"column": "a"}}}, ("contact_record", "when"), "one of in, not_in, present"),
        ({"contact_record": {"when": {"column": "a", "in": "x"}}}, ("contact_record", "when"), "lists"),
        ({**CONTACT, "identifiers": {"type": "email"}}, ("identifiers",), "is a list"),
        (
            {**CONTACT, "identifiers": [{"type": "mail", "column": "m"}]},
            ("identifiers", 0, "type"),
            "did you mean email?",
        ),
        ({**CONTACT, "identifiers": [{"type": "email"}]}, ("identifiers", 0), "needs type and column"),
        (
            {**CONTACT, "identifiers": [{"type_column": "t", "value_column": "v"}]},
            ("identifiers", 0),
            "needs value_column and types",
        ),
        (
            {**CONTACT, "identifiers": [{"type": "phone", "column": "t", "region": "Germany"}]},
            ("identifiers", 0, "region"),
            "two capital letters",
        ),
        (
            {**CONTACT, "identifiers": [{"type": "phone", "column": "t", "of": ["orders"]}]},
            ("identifiers", 0, "of"),
            "of names sections",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(
    mapping: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    found = check(mapping)
    assert path in [place for place, _ in found]
    assert message in next(text for place, text in found if place == path)
