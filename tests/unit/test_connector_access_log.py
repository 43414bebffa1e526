"""Web server logs: a real one to the row, and the lines that servers write beside it."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deliveries import identifiers, one, read, reasons, rows

from customer360.connectors.base import UnreadableFile
from customer360.connectors.lines import STRETCH
from customer360.sources import OwnIdentities

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
STAMP = "17/May/2026:10:05:03 +0200"


def hit(
    request: str = "GET /a HTTP/1.1", status: str = "200", referrer: str = "-", agent: str = BROWSER, who: str = "-"
) -> str:
    return f'203.0.113.7 - {who} [{STAMP}] "{request}" {status} 512 "{referrer}" "{agent}"\n'


def test_the_real_log_is_accounted_for(samples: Path) -> None:
    path = samples / "web" / "apache_combined_10k.log"
    lines = path.read_text().splitlines()
    whole = [line for line in lines if line.count('"') == 6]  # six quotes: request, referrer, user agent
    batches = read("access_log", path)
    assert (len(lines), len(whole)) == (10_000, 9_999)
    assert sum(batch.rows_read for batch in batches) == 10_000
    assert reasons(batches) == [(8_899, "truncated_line")]
    found = rows(batches)
    assert len(found) == 9_999
    assert Counter(row["outcome"] for row in found) == Counter(line.split('"')[2].split()[0] for line in whole)
    assert len({row["source_record_id"] for row in found}) == 9_999
    assert identifiers(batches) == set()  # nobody is named
    assert {row["company_side"] for row in found} == {"semicomplete.com"}  # learnt from who calls its scripts
    bots = sum(row["interaction_class"] == "bot" for row in found)
    assert 2_400 <= bots <= 2_600  # measured by others with three lists: 20 to 24 % and feed readers
    touches = [row for row in found if row["is_touch"]]
    assert Counter(row["referrer_host"] is None for row in touches) == {False: 708, True: 65}
    assert {row["utm_source"] for row in touches if row["referrer_host"] is None} == {"feedburner"}


def test_the_real_log_delivered_again_has_the_same_ids(samples: Path) -> None:
    content = (samples / "web" / "apache_combined_10k.log").read_bytes()
    twice = [row["source_record_id"] for row in rows(read("access_log", gzip.compress(content)))]
    assert twice == [row["source_record_id"] for row in rows(read("access_log", content.replace(b"\n", b"\r\n")))]


def test_lines_alike_are_numbered_over_stretches() -> None:
    others = "".join(hit(f"GET /{number} HTTP/1.1") for number in range(STRETCH))
    batches = read("access_log", hit() + hit() + others + hit() + hit())
    assert len(batches) == 2
    found = [row for row in rows(batches) if row["page_path"] == "/a"]
    assert [row["source_record_id"].split(":")[1] for row in found] == ["1", "2", "3", "4"]
    assert [row["row_number"] for row in found] == [1, 2, STRETCH + 3, STRETCH + 4]
    assert len({row["source_record_id"] for row in rows(batches)}) == STRETCH + 4


def test_one_hit_whole() -> None:
    url = "/p?utm_source=News&utm_medium=Email&utm_campaign=May&gclid=abc"
    row = one(read("access_log", hit(f"GET {url} HTTP/1.1", referrer="https://www.google.com/search?q=x")))
    expected = {
        "channel": "web",
        "direction": "inbound",
        "occurred_at": datetime(2026, 5, 17, 8, 5, 3, tzinfo=UTC),
        "utc_offset_minutes": 120,
        "interaction_class": "person",
        "is_touch": True,
        "outcome": "200",
        "utm_source": "news",
        "utm_medium": "email",
        "utm_campaign": "may",
        "click_id_type": "gclid",
        "referrer_host": "www.google.com",
        "page_path": "/p",
        "user_agent": BROWSER,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "touch"),
    [
        (hit(referrer="https://news.example.org/"), True),
        (hit("GET /?utm_source=a HTTP/1.1"), True),
        (hit("GET /?fbclid=a HTTP/1.1"), True),
        (hit("GET / HTTP/2.0", "304", "https://news.example.org/"), True),
        (hit(), False),  # no campaign, no referrer
        (hit(referrer="https://www.example.com/b"), False),  # from the site itself
        (hit(referrer="https://shop.example.net/b"), False),  # from another site of ours
        (hit("POST /?utm_source=a HTTP/1.1"), False),
        (hit("HEAD /?utm_source=a HTTP/1.1"), False),
        (hit("GET /?utm_source=a HTTP/1.1", "404"), False),
        (hit("GET /?utm_source=a HTTP/1.1", "500"), False),
        (hit("GET /style.css?utm_source=a HTTP/1.1"), False),
        (hit("GET /font.WOFF2 HTTP/1.1", referrer="https://news.example.org/"), False),
        (hit("GET /?utm_source=a HTTP/1.1", agent="Googlebot/2.1"), False),
        (hit("GET /?utm_source=a HTTP/1.1", agent="-"), False),
    ],
)
def test_what_is_a_touch(line: str, touch: bool) -> None:
    own = OwnIdentities(domains=frozenset({"example.net"}))
    assert one(read("access_log", line, own=own, options={"host": "example.com"}))["is_touch"] is touch


@pytest.mark.parametrize(
    ("line", "path", "kind"),
    [
        (f'203.0.113.7 - - [{STAMP}] "GET /a HTTP/1.0" 200 -\n', "/a", "person"),  # common format
        (f'203.0.113.7 - jane doe [{STAMP}] "GET /a HTTP/1.0" 200 5 "-" "{BROWSER}"\n', "/a", "person"),
        (f'2001:db8::1 - - [{STAMP}] "GET /a HTTP/1.1" 200 5 "-" "{BROWSER}" "-" 0.005 rt=0.1\n', "/a", "person"),
        (f'203.0.113.7 - - [2026-05-17T10:05:03+02:00] "GET /a HTTP/1.1" 200 5 "-" "{BROWSER}"\n', "/a", "person"),
        (hit("GET //a HTTP/1.1"), "/a", "person"),
        (hit("GET /a"), "/a", "person"),  # HTTP 0.9
        (hit("GET /a b HTTP/1.1"), "/a b", "person"),
        (hit(r"GET /\xe7\x99\xbe\xe5\xba\xa6 HTTP/1.1"), "/百度", "person"),
        (hit(r"GET /\"q\" HTTP/1.1"), '/"q"', "person"),
        (hit('GET /"q" HTTP/1.1'), '/"q"', "person"),  # a server that does not escape
        (hit(r"\x16\x03\x01\x02\x00\x01\x00\x01", "400"), None, "bot"),  # TLS on a plain port
        (hit("-", "408", agent="-"), None, "bot"),
        (hit("", "400", agent="-"), None, "bot"),
    ],
)
def test_forms_of_lines(line: str, path: str | None, kind: str) -> None:
    row = one(read("access_log", line))
    assert (row["page_path"], row["interaction_class"]) == (path, kind)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (
            f'shop.example.com:443 203.0.113.7 - - [{STAMP}] "GET /a HTTP/1.1" 200 5 "-" "{BROWSER}"\n',
            "shop.example.com",
        ),
        (f'Shop.Example.com 203.0.113.7 - bob [{STAMP}] "GET /a HTTP/1.1" 200 5 "-" "{BROWSER}"\n', "shop.example.com"),
        (f'client.example.org - - [{STAMP}] "GET /a HTTP/1.1" 200 5\n', None),
        (f'client.example.org - jane doe [{STAMP}] "GET /a HTTP/1.1" 200 5\n', None),  # a name with a blank
        (hit("GET http://www.example.com/a HTTP/1.1"), "www.example.com"),
    ],
)
def test_the_virtual_host(line: str, host: str | None) -> None:
    assert one(read("access_log", line))["company_side"] == host


def test_bad_lines_are_refused_with_their_place() -> None:
    bad_stamp = hit().replace("17/May", "31/Feb")
    text = hit() + "\n" + "not a hit\n" + hit()[:-40] + "\n" + bad_stamp + hit(who="-")[:-1]
    batches = read("access_log", text)
    assert reasons(batches) == [(2, "bad_line"), (3, "truncated_line"), (4, "bad_timestamp")]
    assert {(each.row_number, each.line) for batch in batches for each in batch.rejected} == {(2, 3), (3, 4), (4, 5)}
    assert [row["row_number"] for row in rows(batches)] == [1, 5]  # the last line lacks only its end
    (refused,) = [each for batch in batches for each in batch.rejected if each.reason == "bad_line"]
    assert refused.raw == b"not a hit"


@pytest.mark.parametrize("length", [20, 60, 150])
def test_a_cut_last_line_is_refused(length: int) -> None:
    assert reasons(read("access_log", hit() + hit()[:length])) == [(2, "truncated_line")]


def test_one_odd_byte_does_not_change_the_other_lines() -> None:
    content = hit("GET /grün HTTP/1.1").encode() + hit("GET /gr\xfcn HTTP/1.1").encode("latin-1")
    assert [row["page_path"] for row in rows(read("access_log", content))] == ["/grün", "/grün"]


def test_utf_16_and_a_byte_order_mark() -> None:
    for codec in ("utf-16", "utf-8-sig"):
        assert one(read("access_log", hit("GET /grün HTTP/1.1").encode(codec)))["page_path"] == "/grün"


def test_another_format_is_refused_whole() -> None:
    with pytest.raises(UnreadableFile, match="not_an_access_log"):
        read("access_log", "id,name\n1,a\n")
