"""Web server logs in the common and combined formats (Apache, nginx), with or without a virtual host first.

A hit names nobody: an IP address is no identifier, and what stands in a URL is not trusted. A hit is a
touch when a person's browser landed on a page, from outside or with a campaign.

The record id is the line's hash and which of its like in the file it is: two hits in one second may be
written alike, and the same line delivered again, in whichever file, is the same hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import web
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table
from customer360.connectors.lines import Lines, read_lines, texts
from customer360.connectors.stamps import parse_stamps

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_QUOTED: Final = r'(?:[^"\\]|\\.)*'
_HEAD: Final = r"^(?P<a>\S+) (?P<b>\S+) (?P<c>\S+) (?:(?P<d>\S+) )?\[(?P<at>[^\]]+)\] "
_SIZE: Final = r" (?P<status>\d{3}|-) (?:\d+|-)"
_LINE: Final = (
    rf'{_HEAD}"(?P<request>{_QUOTED})"{_SIZE}'
    rf'(?P<combined> "(?P<referrer>{_QUOTED})" "(?P<agent>{_QUOTED})")?'
    rf'(?: (?:"{_QUOTED}"|[^\s"]\S*))*\s*$'
)
# Servers that do not escape quotes, and names with blanks in them.
_LOOSE: Final = (
    r"^(?P<a>\S+) (?P<b>\S+) (?P<c>.+?)(?P<d>) \[(?P<at>[^\]]+)\] "
    rf'"(?P<request>.*?)"{_SIZE}(?P<combined> "(?P<referrer>.*?)" "(?P<agent>.*)")?\s*$'
)
_GROUPS: Final = ("a", "b", "d", "at", "request", "status", "combined", "referrer", "agent")
_REQUEST: Final = r"^(?P<method>[A-Za-z]+) (?P<target>.*?)(?: HTTP/\d(?:\.\d)?)?$"
_STAMP: Final = r"^(?P<d>\d{2})/(?P<m>[A-Z][a-z]{2})/(?P<y>\d{4}):(?P<t>\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?P<z> [+-]\d{4})?$"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What a page loads, and what only programs fetch.
_ASSET: Final = (
    r"(?i)\.(?:css|js|mjs|map|png|jpe?g|gif|webp|avif|svg|ico|bmp|woff2?|ttf|eot|otf|mp[34]|webm|avi|"
    r"zip|gz|tgz|xml|json|rss|atom)$|^/robots\.txt$|/feed/?$"
)
_STYLE: Final = r"(?i)\.(?:css|js)$"
_ESCAPE: Final = re.compile(r'\\(?:x([0-9a-fA-F]{2})|(["\\])|([nrtbfv]))')


@register
class AccessLog:
    """See the module's text."""

    name: ClassVar[str] = "access_log"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "web"
    options: ClassVar[frozenset[str]] = frozenset({"host"})  # the site's own host, where the log has none

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 100,000 lines.

        Refused: bad_line, truncated_line, bad_timestamp. Raises UnreadableFile('not_an_access_log') if no
        line of the first stretch is one.
        """
        for file in delivery.files:
            yield from _read(file, source, own)


def _read(file: InputFile, source: Source, own: OwnIdentities) -> Iterator[Batch]:
    reader: _Reader | None = None
    for lines in read_lines(file, source.encoding):
        hits = _hits(texts(file, lines))
        if reader is None:
            if hits.known.null_count == len(lines):
                raise UnreadableFile("not_an_access_log", f"none of the first {len(lines)} lines is a hit")
            reader = _Reader(source, own, source.options.get("host") or hits.own_host())
        yield reader.batch(lines, hits)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Parts of log lines by name; `known` is null where the line is none."""

    parts: dict[str, pa.Array]
    known: pa.Array

    def own_host(self) -> str | None:
        """The site's own host, by where its style sheets and scripts were called from; None if unclear."""
        path = _target(self.parts["request"])["path"]
        called = pc.and_(pc.match_substring_regex(path, _STYLE), pc.less(self.parts["status"], "400"))
        hosts = web.each(self.parts["referrer"].filter(called.fill_null(False)), web.host).drop_null()
        if not len(hosts):
            return None
        counts = pc.value_counts(hosts)
        names = sorted((-each["counts"], each["values"]) for each in counts.to_pylist())
        ours = names[0][1].removeprefix("www.")
        inside = sum(-count for count, name in names if web.external(name, ours) is None)
        return ours if 2 * inside > len(hosts) else None


def _hits(lines: pa.Array) -> _Hits:
    found = pc.extract_regex(lines, _LINE)
    unknown = found.is_null()
    if pc.any(unknown).as_py():
        loose = pc.extract_regex(lines.filter(unknown), _LOOSE)
        columns = {name: _filled(found, loose, unknown, name) for name in _GROUPS}
    else:
        columns = {name: pc.struct_field(found, name) for name in _GROUPS}
    known = columns["request"]
    combined = pc.not_equal(columns["combined"], "")
    nothing = pa.scalar(None, pa.string())
    for name in ("referrer", "agent"):
        columns[name] = pc.if_else(combined, web.each(columns[name], _unescape), nothing)
    columns["request"] = web.each(columns["request"], _unescape)
    return _Hits(columns, known)


def _filled(found: pa.Array, loose: pa.Array, unknown: pa.Array, name: str) -> pa.Array:
    return pc.replace_with_mask(pc.struct_field(found, name), unknown, pc.struct_field(loose, name))


@dataclass
class _Reader:
    """Batches of one file, counting lines that are alike."""

    source: Source
    own: OwnIdentities
    host: str | None
    seen: _Alike = field(default_factory=lambda: _Alike())

    def batch(self, lines: Lines, hits: _Hits) -> Batch:
        stamps = parse_stamps(_iso(hits.parts["at"]), self.source)
        known = hits.known.is_valid().to_numpy(zero_copy_only=False)
        timed = stamps.instant.is_valid().to_numpy(zero_copy_only=False)
        rejected = [_refused(lines, index) for index in np.flatnonzero(~known).tolist()]
        rejected += [lines.reject(index, "bad_timestamp", "time") for index in np.flatnonzero(known & ~timed).tolist()]
        keep = pa.array(np.flatnonzero(known & timed))
        if not len(keep):
            return Batch(len(lines), {}, rejected)
        columns = self.columns({name: part.take(keep) for name, part in hits.parts.items()})
        columns |= {
            "source_record_id": self.seen.ids([lines.raw[index] for index in keep.to_pylist()]),
            "row_number": pa.array(lines.row_number, pa.int64()).take(keep),
            "occurred_at": stamps.instant.take(keep),
            "utc_offset_minutes": stamps.offset_minutes.take(keep),
            "flags": stamps.flags.take(keep),
        }
        return Batch(len(lines), {"interaction": table("interaction", columns)}, rejected)

    def columns(self, parts: dict[str, pa.Array]) -> dict[str, pa.Array]:
        rows = len(parts["request"])
        target = _target(parts["request"])
        here = pc.coalesce(_virtual_host(parts), target["host"], pa.scalar(self.host, pa.string()))
        referrer = web.externals(web.each(parts["referrer"], web.host), here, self.own.domains)
        # The common format says nothing of the user agent: only what cannot be read as a request is a bot's.
        bot = pc.and_(web.bots(parts["agent"]), pc.is_valid(parts["agent"]))
        bot = pc.or_(bot, target["method"].is_null())
        landed = pc.is_valid(pc.coalesce(referrer, *(target[name] for name in (*web.UTM, "click_id_type"))))
        shown = pc.and_(pc.equal(target["method"], "GET"), pc.match_substring_regex(parts["status"], "^[23]"))
        asset = pc.match_substring_regex(pc.coalesce(target["path"], ""), _ASSET)
        touch = pc.and_(pc.and_(landed, shown.fill_null(False)), pc.invert(pc.or_(bot, asset)))
        agent = parts["agent"]
        return {
            "channel": pa.repeat("web", rows),
            "direction": pa.repeat("inbound", rows),
            "event_name": pa.repeat("hit", rows),
            "company_side": here,
            "outcome": parts["status"],
            "interaction_class": pc.if_else(bot, "bot", "person"),
            "is_touch": touch,
            **{name: target[name] for name in (*web.UTM, "click_id_type")},
            "referrer_host": referrer,
            "page_path": target["path"],
            "user_agent": pc.if_else(pc.is_in(agent, pa.array(["", "-"])), pa.scalar(None, pa.string()), agent),
        }


class _Alike:
    """Numbers lines of one file that are written alike, by 64 bits of their hashes."""

    def __init__(self) -> None:
        self._sorted: npt.NDArray[np.uint64] = np.empty(0, np.uint64)  # of all lines before this stretch

    def ids(self, lines: list[bytes]) -> list[str]:
        """'<96 bits of SHA-256>:<1 for the first line of its kind, 2 for the second …>'"""
        digests = [sha256(line).hexdigest()[:24] for line in lines]
        keys = np.array([int(digest[:16], 16) for digest in digests], np.uint64)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        lengths = np.diff(np.r_[starts, len(ordered)])
        number = np.empty(len(keys), np.int64)
        number[order] = np.arange(len(keys)) - np.repeat(starts, lengths) + 1
        number += np.searchsorted(self._sorted, keys, "right") - np.searchsorted(self._sorted, keys, "left")
        self._sorted = np.sort(np.concatenate([self._sorted, ordered]), kind="stable")
        return [f"{digest}:{place}" for digest, place in zip(digests, number.tolist(), strict=True)]


def _target(requests: pa.Array) -> dict[str, pa.Array]:
    """Method and parts of the address; all null for what is no request, such as TLS on a plain port."""
    parts = pc.extract_regex(requests, _REQUEST)
    return {"method": pc.struct_field(parts, "method"), **web.pages(pc.struct_field(parts, "target"), web.target)}


def _virtual_host(parts: dict[str, pa.Array]) -> pa.Array:
    """The first of four words before the time, unless the second is the '-' that stands for identd."""
    four = pc.and_(pc.not_equal(parts["d"], ""), pc.not_equal(parts["b"], "-"))
    return web.each(pc.if_else(four, parts["a"], pa.scalar(None, pa.string())), lambda text: web.host(f"//{text}"))


def _refused(lines: Lines, index: int) -> Rejected:
    """A line whose last quote is open, or that ends the file without a line end, was cut."""
    last = index == len(lines) - 1 and not lines.ends
    cut = last or lines.raw[index].replace(b'\\"', b"").count(b'"') % 2
    return lines.reject(index, "truncated_line" if cut else "bad_line")


def _iso(stamps: pa.Array) -> pa.Array:
    """'17/May/2015:10:05:03 +0000' → ISO 8601; anything else as it is."""
    parts = pc.extract_regex(stamps, _STAMP)
    names = pa.array([f"{number:02d}" for number in range(1, 13)])
    month = names.take(pc.index_in(pc.struct_field(parts, "m"), pa.array(_MONTHS)))
    day = pc.binary_join_element_wise(pc.struct_field(parts, "y"), month, pc.struct_field(parts, "d"), "-")
    clock = pc.binary_join_element_wise(pc.struct_field(parts, "t"), pc.struct_field(parts, "z"), "")
    return pc.coalesce(pc.binary_join_element_wise(day, clock, " "), stamps)


def _unescape(text: str) -> str:
    r"""What servers write for bytes and quotes: \x22, \", \\; bytes together are UTF-8 where they can be."""
    if "\\" not in text:
        return text
    raw = _ESCAPE.sub(_byte, text).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "replace")


def _byte(match: re.Match[str]) -> str:
    if match[1]:
        value = int(match[1], 16)
        return chr(value) if value < 0x80 else chr(0xDC00 + value)
    return match[2] or " "
