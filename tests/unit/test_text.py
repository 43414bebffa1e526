"""Delimited text, encodings, stamps and amounts on small files written byte by byte."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from deliveries import Bytes

from customer360.connectors.amounts import currency_in, parse_amounts, read_amount
from customer360.connectors.base import UnreadableFile
from customer360.connectors.encodings import find_encoding
from customer360.connectors.stamps import localise, parse_stamps, read_stamp
from customer360.connectors.text import CsvFile, Records, open_csv, sniff_delimiter
from customer360.sources import Source


def source(zone: str = "UTC", order: str = "ymd") -> Source:
    return Source(name="s", connector="c", location="*", timezone=ZoneInfo(zone), date_order=order)


def read(content: bytes, **options: int) -> Records:
    chunks = list(open_csv(Bytes(content)).chunks(**options))
    assert len(chunks) == 1
    return chunks[0]


@pytest.mark.parametrize(
    ("content", "codec"),
    [
        ("name\nGrün\n".encode("utf-8-sig"), "utf-8-sig"),
        ("name\nGrün\n".encode(), "utf-8"),
        ("name\nGrün\n".encode("utf-16"), "utf-16"),
        ("name\tcity\nGrün\tBerlin\n".encode("utf-16-le"), "utf-16-le"),
        ("姓名,城市\n王小明,北京\n".encode("gb18030"), "gb18030"),
        ("name,Straße\nMüller,Köln\n".encode("cp1252"), "cp1252"),
        (b"name\n\x81caf\xe9 \n", "latin-1"),
    ],
)
def test_encoding_is_found_from_the_content(content: bytes, codec: str) -> None:
    assert find_encoding(Bytes(content)) == codec


def test_declared_encoding_that_does_not_fit_names_the_byte() -> None:
    with pytest.raises(UnreadableFile) as error:
        find_encoding(Bytes(b"name\nM\xfcller\n"), "utf-8")
    assert (error.value.reason, error.value.detail) == ("wrong_encoding", "not utf-8 at byte offset 6")


def test_wrong_encoding_is_found_past_the_first_piece() -> None:
    content = b"a" * ((1 << 20) + 10) + b"\xff\n"
    with pytest.raises(UnreadableFile, match=f"byte offset {(1 << 20) + 10}"):
        find_encoding(Bytes(content), "utf-8")


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\x1f\x8b\x08\x00", "truncated_archive")])
def test_nothing_to_read(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile) as error:
        find_encoding(Bytes(content))
    assert error.value.reason == reason


def test_truncated_gzip_is_unreadable() -> None:
    whole = gzip.compress(bytes(range(256)) * 4000)
    with pytest.raises(UnreadableFile) as error:
        find_encoding(Bytes(whole[:-50]))
    assert error.value.reason == "truncated_archive"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    lines = [["id", "note"], ["1", '"one, two; three"'], ["2", "x"]]
    chunk = read(end.join(delimiter.join(line) for line in lines).encode())
    assert chunk.values("NOTE") == ["one, two; three", "x"]
    assert chunk.row_number == [1, 2]
    assert chunk.line == [2, 3]


def test_title_lines_do_not_mislead_the_delimiter() -> None:
    assert sniff_delimiter(["Report, all\n", "a;b;c\n", "1,0;2;3\n", "4,0;5;6\n"]) == ";"


def test_quoted_newlines_keep_physical_lines() -> None:
    chunk = read(b'id,note\n1,"a\nb"\n\n2,c\n')
    assert chunk.line == [2, 5]
    assert chunk.values("note") == ["a\nb", "c"]
    assert chunk.text[0] == '1,"a\nb"'


def test_bad_width_nul_and_open_quote_cost_one_record_each() -> None:
    content = b'id,note\n1,a\n2\n3,b\0c\n4,"never closed\n5,d\n6,e\n'
    chunk = read(content)
    assert chunk.values("id") == ["1", "5", "6"]
    assert [(r.row_number, r.line, r.reason, r.raw) for r in chunk.rejected] == [
        (2, 3, "bad_width", b"2"),
        (3, 4, "nul_byte", b"3,b\0c"),
        (4, 5, "broken_quote", b'4,"never closed'),
    ]
    assert chunk.rows_read == 6


def test_open_quote_that_closes_far_below_does_not_swallow_what_is_between() -> None:
    lines = [b"id,note", b'1,"oops', *(b"%d,x" % i for i in range(2, 50)), b'50,"fine"']
    chunk = read(b"\n".join(lines))
    assert [r.reason for r in chunk.rejected] == ["broken_quote"]
    assert chunk.values("id") == [str(i) for i in range(2, 51)]


def test_wrongly_doubled_quotes_are_read_as_they_are_written() -> None:
    chunk = read(b'clid,src\n""Reception" <1115>",1115\n')
    assert chunk.values("clid") == ['Reception" <1115>"']


def test_short_records_are_filled_where_allowed() -> None:
    chunk = read(b"a,b,c\n1,2\n1,2,3\n1\n", min_width=2)
    assert chunk.values("c") == [None, "3"]
    assert [r.reason for r in chunk.rejected] == ["bad_width"]


def test_chunks_cut_and_count_on() -> None:
    file = CsvFile(Bytes(b"a\n1\n2\n3\n"), "utf-8", ",")
    assert [chunk.row_number for chunk in file.chunks(rows=2)] == [[1, 2], [3]]


def test_null_words_are_null_and_missing_columns_too() -> None:
    chunk = read(b"Campaign ID,b\nNULL,--\n 7 ,\\N\n")
    assert chunk.values("campaign_id") == [None, "7"]
    assert chunk.column("b", "c").to_pylist() == [None, None]
    assert chunk.column("absent").null_count == 2


def test_rejects_carry_the_delivered_bytes() -> None:
    chunk = read("name,x\nMüller,1\n".encode("cp1252"))
    (rejected,) = chunk.reject(np.array([True]), "bad_value", "x")
    assert rejected.raw == b"M\xfcller,1"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "order", "expected", "minutes"),
    [
        ("2024-01-27T15:07:24Z", "ymd", "2024-01-27T15:07:24Z", 0),
        ("2024-01-27T15:07:24.123456789+05:30", "ymd", "2024-01-27T09:37:24.123456Z", 330),
        ("2024-01-27 15:07:24.5 UTC", "ymd", "2024-01-27T15:07:24.5Z", 0),
        ("2024-01-27 15:07:24", "ymd", "2024-01-27T14:07:24Z", 60),
        ("2024-07-27", "ymd", "2024-07-26T22:00:00Z", 120),
        ("2020/2/10 22:41", "ymd", "2020-02-10T21:41:00Z", 60),
        ("20240127150724", "ymd", "2024-01-27T14:07:24Z", 60),
        ("Fri, 18 Oct 2019 17:00:00 +0000", "ymd", "2019-10-18T17:00:00Z", 0),
        ("Fri, 18 Oct 2019 17:00:00 -0700", "ymd", "2019-10-19T00:00:00Z", -420),
        ("1706368044", "ymd", "2024-01-27T15:07:24Z", None),
        ("1706368044.25", "ymd", "2024-01-27T15:07:24.25Z", None),
        ("1706368044123", "ymd", "2024-01-27T15:07:24.123Z", None),
        ("1706368044123456", "ymd", "2024-01-27T15:07:24.123456Z", None),
        ("3/2/2024 9:05:01", "dmy", "2024-02-03T08:05:01Z", 60),
        ("3/2/2024 9:05:01 PM", "mdy", "2024-03-02T20:05:01Z", 60),
        ("03.02.2024 09:05", "ymd", "2024-02-03T08:05:00Z", 60),
        ("03/02/24 09:05", "mdy", "2024-03-02T08:05:00Z", 60),
        ("Jan 27, 2024 3:07:24 PM", "ymd", "2024-01-27T14:07:24Z", 60),
        ("27 January 2024", "ymd", "2024-01-26T23:00:00Z", 60),
    ],
)
def test_stamps(text: str, order: str, expected: str, minutes: int | None) -> None:
    stamps = parse_stamps([text], source("Europe/Berlin", order))
    assert stamps.instant.to_pylist() == [instant(expected)]
    assert stamps.offset_minutes.to_pylist() == [minutes]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("2022-02-30 17:23:13", "ymd"),
        ("Wed, 30 Feb 2022 17:23:13 +0000", "ymd"),
        ("3/2/2024 9:05", "ymd"),
        ("1/13/2024 9:05", "dmy"),
        ("yesterday", "ymd"),
        ("12345", "ymd"),
        ("0099-01-01 00:00:00", "ymd"),
        ("9999-12-31T00:00:00Z", "ymd"),
        ("2024-01-27 25:00:00", "ymd"),
    ],
)
def test_what_is_no_stamp_is_unreadable_not_null(text: str, order: str) -> None:
    stamps = parse_stamps([text, None, ""], source(order=order))
    assert stamps.unreadable.tolist() == [True, False, False]
    assert stamps.instant.null_count == 3


def test_hour_that_occurs_twice_and_hour_that_is_skipped() -> None:
    texts = ["2024-10-27 02:30:00", "2024-03-31 02:30:00", "2024-10-27 03:00:00", "2024-03-31 03:00:00"]
    stamps = parse_stamps(texts, source("Europe/Berlin"))
    assert stamps.instant.to_pylist() == [
        instant("2024-10-27T00:30:00Z"),
        instant("2024-03-31T01:30:00Z"),
        instant("2024-10-27T02:00:00Z"),
        instant("2024-03-31T01:00:00Z"),
    ]
    assert stamps.flags.to_pylist() == ["dst_ambiguous", "dst_gap", None, None]
    assert stamps.offset_minutes.to_pylist() == [120, 60, 60, 120]


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_localise_agrees_with_zoneinfo_over_a_year(zone: str) -> None:
    naive = np.arange(1_704_067_200, 1_704_067_200 + 366 * 86_400, 421, dtype=np.int64) * 1_000_000
    utc, minutes, _ = localise(naive, ZoneInfo(zone))
    for wall, moment, offset in zip(naive[::37].tolist(), utc[::37].tolist(), minutes[::37].tolist(), strict=True):
        local = datetime.fromtimestamp(wall // 1_000_000, UTC).replace(tzinfo=ZoneInfo(zone))
        assert local.timestamp() * 1_000_000 == moment
        assert local.utcoffset().total_seconds() == offset * 60  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-27T15:07:24Z", "2024-01-27 15:07:24.25", "2024-07-27 15:07:24 +05:30", None],
        ["2024-01-27 15:07:24.123456 UTC", "2024-07-01T00:00:00-0800", None, "2024-01-27 15:07:24.1Z"],
        [
            "Fri, 18 Oct 2019 17:00:00 +0000",
            None,
            "Sat, 01 Feb 2020 00:00:00 -0330",
            "Sat, 01 Feb 2020 00:00:00 GMT",
        ],
        ["2024-01-27T15:07:24Z", "2022-02-30T15:07:24Z", "nonsense", ""],
    ],
)
def test_whole_columns_read_as_single_values_do(texts: list[str | None]) -> None:
    here = source("America/St_Johns")
    many = parse_stamps(texts * 500, here)
    few = parse_stamps(texts, here)
    assert many.instant.slice(0, 4).to_pylist() == few.instant.to_pylist()
    assert many.offset_minutes.slice(0, 4).to_pylist() == few.offset_minutes.to_pylist()
    assert many.flags.slice(0, 4).to_pylist() == few.flags.to_pylist()
    assert many.unreadable[:4].tolist() == few.unreadable.tolist()


@pytest.mark.parametrize("order", ["dmy", "mdy"])
@pytest.mark.parametrize("odd", ["3/2/2024 9:05", "29/2/2023 10:00:00", "2024-02-03 09:05:01"])
def test_whole_columns_with_the_year_last_read_as_single_values_do(order: str, odd: str) -> None:
    texts: list[str | None] = ["3/2/2024 9:05:01", "12.11.2024 23:59:59", None, odd]
    many, few = parse_stamps(texts * 500, source(order=order)), parse_stamps(texts, source(order=order))
    assert few.instant.null_count < 3
    assert many.instant.slice(0, 4).to_pylist() == few.instant.to_pylist()
    assert many.unreadable[:4].tolist() == few.unreadable.tolist()


def test_stamp_that_leaves_the_order_open_is_refused() -> None:
    with pytest.raises(ValueError, match="date_order"):
        read_stamp("01/02/2024", "ymd")


@pytest.mark.parametrize(
    ("text", "comma", "expected"),
    [
        ("1,234.56", False, "1234.56"),
        ("1.234,56 €", False, "1234.56"),
        ("€1.234", True, "1234"),
        ("1.234", False, "1.234"),
        ("1,234", False, "1234"),
        ("1,234", True, "1.234"),
        ("12,5", False, "12.5"),
        ("1,234,567", False, "1234567"),
        ("1.234.567", False, "1234567"),
        ("1'234.50", False, "1234.50"),
        ("12 345,67", True, "12345.67"),
        ("-$5.00", False, "-5.00"),
        ("(5.00)", False, "-5.00"),
        ("5.00-", False, "-5.00"),
        ("USD 7", False, "7"),
        ("7.10 CHF", False, "7.10"),
        ("R$ 10", False, "10"),
        ("144.", False, "144"),
        (".5", False, "0.5"),
        ("1.5E3", False, "1500"),
        ("−3", False, "-3"),
    ],
)
def test_amounts(text: str, comma: bool, expected: str) -> None:
    assert read_amount(text, decimal_comma=comma) == Decimal(expected)


def test_amount_columns_tell_empty_from_unreadable() -> None:
    amounts = parse_amounts(["--", None, "", "1e15", "12 apples", "(3", "0.0000004"])
    assert amounts.value.to_pylist() == [None] * 6 + [Decimal("0E-6")]
    assert amounts.unreadable.tolist() == [False, False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("text", "code"), [("Amount spent (EUR)", "EUR"), ("€ 5", "EUR"), ("Cost", None), ("$5", None)]
)
def test_currency_is_taken_only_where_it_is_certain(text: str, code: str | None) -> None:
    assert currency_in(text) == code


def test_column_of_nothing() -> None:
    stamps = parse_stamps(pa.array([None] * 2000, pa.string()), source())
    assert stamps.instant.null_count == 2000
    assert not stamps.unreadable.any()
    assert len(parse_stamps([], source()).instant) == 0
