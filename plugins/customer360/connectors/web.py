"""What web sources share: addresses of pages and referrers, campaign parameters, click ids, bots.

Whole columns, each distinct value worked on once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from urllib.parse import unquote_plus

import pyarrow as pa

CLICK_IDS: Final = (
    *("gclid", "gbraid", "wbraid", "dclid", "msclkid", "fbclid", "ttclid", "twclid", "li_fat_id", "yclid"),
    *("bd_vid", "gdt_vid", "qz_gdt", "clickid"),
)
UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_T = TypeVar("_T")
MAX_VALUE: Final = 200  # characters of a campaign parameter that are kept

_URL = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
_BOT_WORDS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|scrap|headless|phantomjs|selenium|puppeteer|playwright|python-requests|"
    r"python-urllib|curl/|wget/|libwww|java/|go-http-client|okhttp|axios/|node-fetch|monitor|uptime|pingdom|"
    r"feedfetcher|facebookexternalhit|preview|validator|nagios|masscan|zgrab|nmap|sqlmap|nikto",
    re.IGNORECASE,
)


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


@lru_cache(maxsize=65_536)
def page(url: str | None) -> Page:
    """Read one address, however broken: what cannot be read is None."""
    match = _URL.match(url.strip()) if url else None
    if match is None:
        return _NOWHERE
    parameters = _query(match["query"] or "")
    source, medium, campaign, term, content = (campaign_value(parameters.get(name)) for name in UTM)
    click = next((name for name in CLICK_IDS if parameters.get(name)), None)
    return Page(host(url), match["path"] or "/", source, medium, campaign, term, content, click)


def host(url: str | None) -> str | None:
    """Host of an address: lower case, without port and user."""
    match = _URL.match(url.strip()) if url else None
    if match is None or not match["authority"]:
        return None
    name = match["authority"].rpartition("@")[2].partition(":")[0].lower().rstrip(".")
    return name or None


def campaign_value(text: str | None) -> str | None:
    """A campaign parameter as it is compared: NFKC, lower case, single blanks, at most MAX_VALUE long."""
    if not text:
        return None
    return " ".join(unicodedata.normalize("NFKC", text).lower().replace("\0", "").split())[:MAX_VALUE] or None


def external(referrer: str | None, own_host: str | None) -> str | None:
    """Host that sent the visitor, None if it was the site itself (or another name of it)."""
    if referrer is None or own_host is None:
        return referrer
    ours, theirs = own_host.removeprefix("www."), referrer.removeprefix("www.")
    same = ours == theirs or theirs.endswith("." + ours) or ours.endswith("." + theirs)
    return None if same else referrer


@lru_cache(maxsize=65_536)
def is_bot(user_agent: str | None) -> bool:
    """Whether a user agent is a program: known crawlers, telling words, or nothing said at all."""
    from crawleruseragents import is_crawler

    if not user_agent or user_agent == "-":
        return True
    return bool(_BOT_WORDS.search(user_agent)) or bool(is_crawler(user_agent))


def each(column: pa.Array, function: Callable[[str | None], _T]) -> list[_T]:
    """`function` over a text column, once per distinct value."""
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    known = [function(text) for text in encoded.dictionary.to_pylist()]
    nothing = function(None)
    return [nothing if index is None else known[index] for index in encoded.indices.to_pylist()]


def _query(query: str) -> dict[str, str]:
    """Parameters by lower-case name, the first of each; broken percent-encoding is kept as written."""
    found: dict[str, str] = {}
    for part in query.replace("&amp;", "&").split("&"):
        name, _, value = part.partition("=")
        key = unquote_plus(name).lower()
        if key in _WANTED and value:
            found.setdefault(key, unquote_plus(value, errors="replace"))
    return found


_WANTED: Final = frozenset({*UTM, *CLICK_IDS})
