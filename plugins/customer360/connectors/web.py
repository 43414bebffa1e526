"""What web sources share: addresses of pages and referrers, campaign parameters, click ids, bots.

Functions of one value, and the same over whole columns with each distinct value worked on once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

# In this order: the first that an address carries is its click id.
CLICK_IDS: Final = (
    *("gclid", "gbraid", "wbraid", "dclid", "msclkid", "fbclid", "ttclid", "twclid", "li_fat_id", "yclid"),
    *("bd_vid", "gdt_vid", "qz_gdt", "clickid"),
)
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
MAX_VALUE: Final = 200  # characters of a campaign parameter that are kept

_WANTED: Final = frozenset({*UTM, *CLICK_IDS})
_URL: Final = re.compile(
    r"^(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):(?!\d))?(?://(?P<authority>[^/?#\\]*))?"
    r"(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?$",
    re.DOTALL,
)
# Beside the list of known crawlers: what programs call themselves.
_BOT_WORDS: Final = (
    r"(?i)^mozilla/\d\.0$|bot\b|bot[/_-]|crawl|spider|slurp|scrap[ey]|headless|phantomjs|selenium|puppeteer|playwright|"
    r"python-requests|python-urllib|aiohttp|httpx|curl/|wget/|libwww|java/|jakarta|go-http-client|okhttp|axios/|"
    r"node-fetch|guzzle|winhttp|monitor|uptime|pingdom|feedfetcher|feedparser|facebookexternalhit|preview|"
    r"validator|nagios|masscan|zgrab|nmap|sqlmap|nikto|internal dummy connection"
)
_PATTERNS_AT_ONCE: Final = 75  # more makes one automaton outgrow its memory and start anew for every text


class Page(NamedTuple):
    """Parts of one page address; campaign values are normalised by `campaign_value`."""

    host: str | None
    path: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    click_id_type: str | None


_NOWHERE: Final = Page(None, None, None, None, None, None, None, None)


def page(url: str | None) -> Page:
    """Read one address, however broken: what cannot be read is None.

    Campaign parameters are looked for in the query, then behind the '#', where analytics allow them too.
    """
    match = _URL.match(url.strip()) if url else None
    if match is None:
        return _NOWHERE
    name = _host(match["authority"])
    path = match["path"] if match["path"].startswith("/") else None
    return Page(name, path or ("/" if name else None), *_campaign(match["query"], match["fragment"]))


def target(text: str | None) -> Page:
    """Target of an HTTP request: an address, or a path, which may begin with two slashes."""
    return page(text and re.sub(r"^/+", "/", text))


def host(url: str | None) -> str | None:
    """Host of an address: lower case, ASCII, without port and user."""
    match = _URL.match(url.strip()) if url else None
    return _host(match["authority"]) if match else None


def campaign_value(text: str | None) -> str | None:
    """A campaign parameter as it is compared: NFKC, lower case, single blanks, at most MAX_VALUE long."""
    if not text:
        return None
    if not text.isascii() or not text.isprintable():
        folded = unicodedata.normalize("NFKC", text)
        text = "".join(char if unicodedata.category(char)[0] != "C" else _unseen(char) for char in folded)
    return " ".join(text.lower().split())[:MAX_VALUE].rstrip() or None


def external(referrer: str | None, own_host: str | None, own_domains: Collection[str] = ()) -> str | None:
    """Host that sent the visitor; None if it was the site itself, another name of it, or an own domain."""
    if referrer is None or any(_within(referrer, domain) for domain in own_domains):
        return None
    if own_host is None:
        return referrer
    ours, theirs = own_host.removeprefix("www."), referrer.removeprefix("www.")
    return None if _within(theirs, ours) or _within(ours, theirs) else referrer


def is_bot(user_agent: str | None) -> bool:
    """Whether a user agent is a program: known crawlers, telling words, or nothing said at all."""
    return bool(bots(pa.array([user_agent], pa.string()))[0].as_py())


# Columns ------------------------------------------------------------------------------------------


def each(column: pa.Array, function: Callable[[str], Any], kind: pa.DataType | None = None) -> pa.Array:
    """`function` over a text column, once per distinct value; null stays null."""
    encoded = _encoded(column)
    known = [function(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(known, kind or pa.string()).take(encoded.indices)


def pages(column: pa.Array, read: Callable[[str | None], Page] = page) -> dict[str, pa.Array]:
    """The fields of `Page` as columns."""
    encoded = _encoded(column)
    known = [read(url) for url in encoded.dictionary.to_pylist()]
    return {
        name: pa.array([found[place] for found in known], pa.string()).take(encoded.indices)
        for place, name in enumerate(Page._fields)
    }


def bots(user_agents: pa.Array) -> pa.Array:
    """`is_bot` over a column; null is a bot."""
    encoded = _encoded(user_agents)
    names = pc.replace_substring_regex(pc.utf8_trim_whitespace(encoded.dictionary), "(?i)cubot", "")  # a telephone
    found = pc.is_in(names, pa.array(["", "-"]))
    for pattern in _bot_patterns():
        found = pc.or_(found, pc.match_substring_regex(names, pattern))
    return found.take(encoded.indices).fill_null(True)


def externals(referrers: pa.Array, own_hosts: pa.Array, own_domains: Collection[str] = ()) -> pa.Array:
    """`external` over two columns of hosts."""
    pairs = list(zip(referrers.to_pylist(), own_hosts.to_pylist(), strict=True))
    known = {pair: external(*pair, own_domains) for pair in set(pairs)}
    return pa.array([known[pair] for pair in pairs], pa.string())


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.dictionary_encode()


@cache
def _bot_patterns() -> tuple[str, ...]:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    known = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA]
    starts = range(0, len(known), _PATTERNS_AT_ONCE)
    return (_BOT_WORDS, *("|".join(known[start : start + _PATTERNS_AT_ONCE]) for start in starts))


# Parts of addresses -------------------------------------------------------------------------------


def _host(authority: str | None) -> str | None:
    if not authority:
        return None
    name = authority.rpartition("@")[2].strip().lower()
    name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0].rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            pass  # no name that could be registered: kept as written
    return name or None


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)


def _campaign(query: str | None, fragment: str | None) -> list[str | None]:
    """Values of UTM and the name of the click id."""
    found = _parameters(query or "")
    if not found and fragment:
        found = _parameters(fragment.rpartition("?")[2])
    click = next((name for name in CLICK_IDS if found.get(name)), None)
    return [*(campaign_value(found.get(name)) for name in UTM), click]


def _parameters(query: str) -> dict[str, str]:
    """Wanted parameters by lower-case name, the first of each; broken percent-encoding is kept as written."""
    found: dict[str, str] = {}
    for part in query.replace("&amp;", "&").split("&"):
        name, _, value = part.partition("=")
        key = _unquote(name).strip().lower()
        if key in _WANTED and value:
            found.setdefault(key, _unquote(value))
    return found


def _unquote(text: str) -> str:
    """Percent-decoded text: UTF-8, or what Chinese sites write instead, or Western."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    raw = unquote_to_bytes(text.encode("utf-8", "replace"))
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _unseen(char: str) -> str:
    """A character nobody sees: line ends and tabs part words, the others are nothing."""
    return " " if char.isspace() else ""
