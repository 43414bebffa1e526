"""Addresses, campaign parameters, referrers and bots, as web sources write them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer360.connectors import web


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://www.Example.com/a/b?x=1#top", "www.example.com", "/a/b"),
        ("http://user:secret@example.com:8080", "example.com", "/"),
        ("//example.com/a", "example.com", "/a"),
        ("/only/path?x=1", None, "/only/path"),
        ("android-app://com.example.mail/", "com.example.mail", "/"),
        ("http://[2001:db8::1]:80/a", "[2001:db8::1]", "/a"),
        ("https://bücher.example/", "xn--bcher-kva.example", "/"),
        ("https://example.com./a b%zz", "example.com", "/a b%zz"),
        ("mailto:someone@example.com", None, None),
        ("about:blank", None, None),
        ("http://", None, None),
        ("-", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_host_and_path(url: str | None, host: str | None, path: str | None) -> None:
    page = web.page(url)
    assert (page.host, page.path) == (host, path)


def test_a_request_target_with_two_slashes_is_a_path() -> None:
    assert web.target("//favicon.ico")[:2] == (None, "/favicon.ico")
    assert web.target("http://example.com/a")[:2] == ("example.com", "/a")


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("utm_source=Google", "google"),
        ("UTM_Source=%20Google%20Ads%20", "google ads"),
        ("a=1&amp;utm_source=news", "news"),
        ("utm_source=&utm_source=second", "second"),
        ("utm_source=first&utm_source=second", "first"),
        ("utm_source=%E7%99%BE%E5%BA%A6", "百度"),  # UTF-8
        ("utm_source=%B0%D9%B6%C8", "百度"),  # GBK
        ("utm_source=100%25+off%", "100% off%"),  # broken at the end: kept as written
        ("utm_source=ｆａｃｅｂｏｏｋ", "facebook"),  # full width
        ("utm_source=news\u200bletter", "newsletter"),  # an invisible blank
        ("utm_source=%00", None),
        ("utm_source=%20", None),
        ("utm_sources=x", None),
    ],
)
def test_campaign_values_are_comparable(query: str, source: str | None) -> None:
    assert web.page(f"https://example.com/?{query}").utm_source == source


def test_all_parameters_also_behind_the_hash() -> None:
    url = "https://example.com/#/shop?utm_source=a&utm_medium=b&utm_campaign=c&utm_term=d&utm_content=e&gclid=x"
    assert web.page(url)[2:] == ("a", "b", "c", "d", "e", "gclid")
    both = "https://example.com/?utm_source=query#utm_source=hash"
    assert web.page(both).utm_source == "query"


def test_too_long_values_are_cut() -> None:
    assert web.campaign_value("x" * 500) == "x" * web.MAX_VALUE


@pytest.mark.parametrize("name", web.CLICK_IDS)
def test_click_ids(name: str) -> None:
    assert web.page(f"https://example.com/?a=1&{name.upper()}=abc").click_id_type == name
    assert web.page(f"https://example.com/?{name}=").click_id_type is None


def test_the_first_click_id_by_rank_counts() -> None:
    assert web.page("/?fbclid=1&gclid=2").click_id_type == "gclid"


@pytest.mark.parametrize(
    ("referrer", "here", "own", "expected"),
    [
        ("www.google.com", "example.com", (), "www.google.com"),
        ("www.example.com", "example.com", (), None),
        ("example.com", "shop.example.com", (), None),
        ("shop.example.com", "www.example.com", (), None),
        ("notexample.com", "example.com", (), "notexample.com"),
        ("blog.example.org", "example.com", ("example.org",), None),
        ("example.org", None, ("example.org",), None),
        ("www.google.com", None, (), "www.google.com"),
        (None, "example.com", (), None),
    ],
)
def test_external_referrers(referrer: str | None, here: str | None, own: tuple[str, ...], expected: str | None) -> None:
    assert web.external(referrer, here, own) == expected


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
            0,
        ),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT_P30) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36", 0),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1",
            0,
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0 Safari/537.36", 1),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 1),
        ("Mozilla/5.0", 1),
        ("python-requests/2.32", 1),
        ("curl/8.5.0", 1),
        ("", 1),
        ("-", 1),
        (None, 1),
    ],
)
def test_bots(agent: str | None, bot: int) -> None:
    assert web.is_bot(agent) == bool(bot)


def test_every_published_crawler_is_known(samples: Path) -> None:
    crawlers = json.loads((samples / "web" / "crawler-user-agents.json").read_text())
    agents = [agent for crawler in crawlers for agent in crawler["instances"]]
    missed = [agent for agent, bot in zip(agents, web.bots(pa.array(agents)).to_pylist(), strict=True) if not bot]
    assert len(agents) > 2000
    assert len(missed) <= len(agents) // 100  # the list of the sample is newer than the package's


def test_columns_equal_single_values() -> None:
    urls = ["https://a.example/x?utm_source=S", None, "https://a.example/x?utm_source=S", "/y", ""]
    pages = web.pages(pa.array(urls, pa.string()))
    assert [tuple(pages[name][i].as_py() for name in web.Page._fields) for i in range(len(urls))] == [
        tuple(web.page(url)) for url in urls
    ]
    agents = pa.chunked_array([["curl/8"], [None, "Mozilla/5.0 (Windows NT 10.0)"]])
    assert web.bots(agents).to_pylist() == [True, True, False]


@given(st.text(max_size=60))
def test_no_address_breaks_it(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/?utm_source={text}&gclid={text}"):
        page = web.page(url)
        pa.array(list(page), pa.string())  # every part is a text that can be stored
        assert page.utm_source is None or len(page.utm_source) <= web.MAX_VALUE
