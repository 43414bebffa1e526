"""Web server logs in the common and combined formats (Apache, nginx), with or without a virtual host first.

A hit names nobody: an IP address is no identifier, and what stands in a URL is not trusted. A hit is a
touch when a person's browser landed from outside or with a campaign. The record id is the line's own
hash and which of its like it is, so that the same line in another file is the same hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyarrow as pa

from customer360.connectors import web
from customer360.connectors.base import Batch, Delivery, Rejected, register, table
from customer360.connectors.encodings import find_encoding, open_text
from customer360.connectors.stamps import parse_stamps

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_LINE: Final = re.compile(
    r"^(?:(?P<vhost>[^\s:]+)(?::\d+)? )?(?P<client>\S+) \S+ (?P<user>.+?) \[(?P<at>[^\]]+)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<bytes>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?(?P<rest>.*)$'
)
_STAMP: Final = re.compile(r"^(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{4})$")
_MONTHS: Final = {
    name: f"{number:02d}" for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_ASSET: Final = re.compile(
    r"\.(?:css|js|mjs|map|png|jpe?g|gif|webp|svg|ico|bmp|woff2?|ttf|eot|otf|mp[34]|webm|avi|pdf|zip|gz|tgz|xml|txt|"
    r"json|rss|atom)$",
    re.IGNORECASE,
)
_ROWS: Final = 100_000


@register
class AccessLog:
    """See the module's text."""

    name: ClassVar[str] = "access_log"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "web"
    options: ClassVar[frozenset[str]] = frozenset({"host"})  # the site's own host, where the log has none

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 100,000 lines; a line that fits no format is refused as `bad_line`."""
        for file in delivery.files:
            yield from _read(file, source)


def _read(file: InputFile, source: Source) -> Iterator[Batch]:
    seen: dict[bytes, int] = {}
    with open_text(file, find_encoding(file, source.encoding)) as stream:
        numbered = enumerate(stream, 1)
        while lines := list(islice(numbered, _ROWS)):
            yield _batch(file.path, lines, source, seen)


def _batch(path: str, lines: list[tuple[int, str]], source: Source, seen: dict[bytes, int]) -> Batch:
    rejected: list[Rejected] = []
    hits: list[tuple[int, str, re.Match[str]]] = []
    for number, line in lines:
        text = line.rstrip("\r\n")
        if not text:
            continue
        match = _LINE.match(text)
        if match is None:
            reason = "bad_line" if line.endswith(("\n", "\r")) else "truncated_line"
            rejected.append(Rejected(path, number, reason, number, None, text.encode("utf-8", "surrogatepass")))
        else:
            hits.append((number, text, match))
    stamps = parse_stamps([_iso(match["at"]) for _, _, match in hits], source)
    for place in stamps.unreadable.nonzero()[0].tolist():
        number, text, _ = hits[place]
        rejected.append(Rejected(path, number, "bad_timestamp", number, "time", text.encode("utf-8", "surrogatepass")))
    keep = [place for place in range(len(hits)) if not stamps.unreadable[place] and stamps.instant[place].is_valid]
    index = pa.array(keep, pa.int64())
    rows = [_hit(hits[place], source, seen) for place in keep]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    columns |= {
        "occurred_at": stamps.instant.take(index),
        "utc_offset_minutes": stamps.offset_minutes.take(index),
    }
    tables = {"interaction": table("interaction", columns)} if rows else {}
    return Batch(len(hits) + sum(each.reason != "bad_timestamp" for each in rejected), tables, rejected)


def _hit(hit: tuple[int, str, re.Match[str]], source: Source, seen: dict[bytes, int]) -> dict[str, object]:
    number, text, match = hit
    method, _, target = match["request"].partition(" ")
    found = web.page(target.rpartition(" ")[0] or target or None)
    own_host = match["vhost"] or source.options.get("host") or found.host
    referrer = web.external(web.host(match["referrer"]), own_host)
    bot = web.is_bot(match["agent"]) if match["agent"] is not None else False
    ok = match["status"][:1] in {"2", "3"}
    landed = bool(referrer or found.utm_source or found.utm_medium or found.utm_campaign or found.click_id_type)
    return {
        "source_record_id": _id(text, seen),
        "row_number": number,
        "channel": "web",
        "direction": "inbound",
        "event_name": "hit",
        "company_side": own_host,
        "outcome": match["status"],
        "interaction_class": "bot" if bot else "person",
        "is_touch": ok and landed and not bot and method == "GET" and not _ASSET.search(found.path or ""),
        "utm_source": found.utm_source,
        "utm_medium": found.utm_medium,
        "utm_campaign": found.utm_campaign,
        "utm_term": found.utm_term,
        "utm_content": found.utm_content,
        "click_id_type": found.click_id_type,
        "referrer_host": referrer,
        "page_path": found.path,
        "user_agent": match["agent"],
    }


def _id(text: str, seen: dict[bytes, int]) -> str:
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()[:12]
    seen[digest] = seen.get(digest, 0) + 1
    return f"{digest.hex()}:{seen[digest]}"


def _iso(stamp: str) -> str:
    """'17/May/2015:10:05:03 +0000' → ISO 8601; anything else as it is."""
    match = _STAMP.match(stamp)
    if match is None or match[2] not in _MONTHS:
        return stamp
    return f"{match[3]}-{_MONTHS[match[2]]}-{match[1]} {match[4]}{match[5]}"
