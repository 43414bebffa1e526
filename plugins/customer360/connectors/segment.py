"""Segment: track, identify, page, screen, group and alias as JSON lines, or the warehouse's CSV of pages.

identify, group and alias → `contact_record` of kind `user`; page, screen and track → `interaction`;
a track of a completed order → also `sales_order`. Time is corrected for the sender's clock as Segment
does: receivedAt − (sentAt − originalTimestamp).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors import web
from customer360.connectors.amounts import parse_amounts
from customer360.connectors.base import Batch, Delivery, Rejected, register, table
from customer360.connectors.convert import offsets
from customer360.connectors.crm import Builder
from customer360.connectors.encodings import find_encoding, open_text
from customer360.connectors.stamps import parse_stamps
from customer360.connectors.text import open_csv
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_ROWS: Final = 100_000
_PEOPLE: Final = frozenset({"identify", "group", "alias"})
_EVENTS: Final = frozenset({"track", "page", "screen"})
_ORDERED: Final = frozenset({"order completed", "completed order", "order placed"})
_TRAITS: Final = {
    "given_name": ("firstName", "first_name"),
    "family_name": ("lastName", "last_name"),
    "full_name": ("name",),
    "job_title": ("title",),
}
_ADDRESS: Final = {
    "address_line": "street",
    "city": "city",
    "postal_code": "postalCode",
    "region": "state",
    "country": "country",
}
_UTM_NAMES: Final = ("source", "medium", "name", "term", "content")
_STAMPS: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")

Message = dict[str, Any]


@register
class Segment:
    """See the module's text."""

    name: ClassVar[str] = "segment"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "segment"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 100,000 messages."""
        for file in delivery.files:
            with file.open() as stream:
                start = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
            if start.startswith((b"{", b"[")) or not start:
                yield from _read_json(file, source)
            else:
                utc = replace(source, timezone=ZoneInfo("UTC"))  # warehouses keep UTC and no zone
                for rows in open_csv(file, source.encoding).chunks():
                    yield _page_csv(Builder(rows, utc, source.system or self.system))


def _read_json(file: InputFile, source: Source) -> Iterator[Batch]:
    decoder = msgspec.json.Decoder()
    with open_text(file, find_encoding(file, source.encoding)) as stream:
        numbered = enumerate(stream, 1)
        while lines := list(islice(numbered, _ROWS)):
            good: list[tuple[int, str, Message]] = []
            rejected: list[Rejected] = []
            for number, line in lines:
                text = line.strip()
                if not text:
                    continue
                reason, message = _decode(decoder, text)
                if reason is None:
                    good.append((number, text, message))
                else:
                    rejected.append(
                        Rejected(file.path, number, reason, number, None, text.encode("utf-8", "surrogatepass"))
                    )
            yield _Messages(file.path, source, good, rejected).batch()


def _decode(decoder: Any, text: str) -> tuple[str | None, Message]:
    try:
        message = decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return "bad_json", {}
    if not isinstance(message, dict):
        return "bad_json", {}
    if not message.get("messageId"):
        return "missing_id", {}
    if message.get("type") not in _PEOPLE | _EVENTS:
        return "unknown_type", {}
    return None, message


class _Messages:
    """Decoded messages on their way to a Batch."""

    def __init__(
        self, path: str, source: Source, good: list[tuple[int, str, Message]], rejected: list[Rejected]
    ) -> None:
        self.path, self.source, self.rejected = path, source, rejected
        self.read = len(good) + len(rejected)
        stamps = {name: parse_stamps([_text(m.get(name)) for _, _, m in good], source) for name in _STAMPS}
        at = _corrected(*(stamps[name].instant for name in _STAMPS))
        missing = at.is_null().to_numpy(zero_copy_only=False) if good else np.empty(0, np.bool_)
        for place in np.flatnonzero(missing).tolist():
            number, text, _ = good[place]
            rejected.append(
                Rejected(path, number, "bad_timestamp", number, "timestamp", text.encode("utf-8", "surrogatepass"))
            )
        self.rows = [(place, number, message) for place, (number, _, message) in enumerate(good) if not missing[place]]
        self.at = at
        self.identifiers: dict[str, list[Any]] = {
            name: []
            for name in (
                "source_record_id",
                "row_number",
                "record_kind",
                "identifier_type",
                "identifier_value",
                "is_valid",
            )
        }

    def batch(self) -> Batch:
        people = [row for row in self.rows if row[2]["type"] in _PEOPLE]
        events = [row for row in self.rows if row[2]["type"] in _EVENTS]
        orders = [row for row in events if _is_order(row[2])]
        tables = {}
        for entity, rows, build in (
            ("contact_record", people, self.contact_records),
            ("interaction", events, self.interactions),
            ("sales_order", orders, self.sales_orders),
        ):
            if rows:
                tables[entity] = table(entity, self.position(rows) | build(rows))
        if self.identifiers["row_number"]:
            tables["identifier"] = table("identifier", dict(self.identifiers))
        return Batch(self.read, tables, self.rejected)

    def position(self, rows: list[tuple[int, int, Message]]) -> dict[str, Any]:
        return {
            "source_record_id": [str(message["messageId"]) for _, _, message in rows],
            "row_number": [number for _, number, _ in rows],
        }

    def times(self, rows: list[tuple[int, int, Message]]) -> pa.Array:
        return self.at.take(pa.array([place for place, _, _ in rows], pa.int64()))

    def contact_records(self, rows: list[tuple[int, int, Message]]) -> dict[str, Any]:
        traits = [
            _dict(message.get("traits")) | _dict(_dict(message.get("context")).get("traits")) for *_, message in rows
        ]
        columns: dict[str, Any] = {
            name: [next((_text(each[key]) for key in keys if each.get(key)), None) for each in traits]
            for name, keys in _TRAITS.items()
        }
        columns |= {
            name: [_text(_dict(each.get("address")).get(key)) for each in traits] for name, key in _ADDRESS.items()
        }
        companies = [each.get("company") for each in traits]
        columns["organisation"] = [
            _text(_dict(company).get("name")) if isinstance(company, dict) else _text(company) for company in companies
        ]
        for place, (_, _, message) in enumerate(rows):
            if message["type"] == "group":
                columns["organisation"][place] = _text(traits[place].get("name"))
                columns["full_name"][place] = None
        columns |= {
            "record_kind": ["user"] * len(rows),
            "observed_at": self.times(rows),
            "created_at": self.times(rows),
        }
        for (_, number, message), each in zip(rows, traits, strict=True):
            self.identify(message, number, "user", each)
        return columns

    def interactions(self, rows: list[tuple[int, int, Message]]) -> dict[str, Any]:
        contexts = [_dict(message.get("context")) for *_, message in rows]
        pages = [_page(message, context) for (*_, message), context in zip(rows, contexts, strict=True)]
        parts = [web.page(url) for url, _ in pages]
        campaigns = [_dict(context.get("campaign")) for context in contexts]
        agents = [_text(context.get("userAgent")) for context in contexts]
        bots = [agent is not None and web.is_bot(agent) for agent in agents]
        views = [message["type"] in {"page", "screen"} for *_, message in rows]
        for _, number, message in rows:
            self.identify(message, number, "interaction", _dict(_dict(message.get("context")).get("traits")))
        columns: dict[str, Any] = {
            "channel": ["web"] * len(rows),
            "direction": ["inbound"] * len(rows),
            "occurred_at": self.times(rows),
            "utc_offset_minutes": [0] * len(rows),
            "event_name": [_event_name(message) for *_, message in rows],
            "company_side": [part.host for part in parts],
            "interaction_class": ["bot" if bot else "person" for bot in bots],
            "is_touch": [view and not bot for view, bot in zip(views, bots, strict=True)],
            "session_id": [_session(message, context) for (*_, message), context in zip(rows, contexts, strict=True)],
            "click_id_type": [part.click_id_type for part in parts],
            "referrer_host": [
                web.external(web.host(there), part.host) for (_, there), part in zip(pages, parts, strict=True)
            ],
            "page_path": [part.path for part in parts],
            "user_agent": agents,
        }
        for column, key in zip(web.UTM, _UTM_NAMES, strict=True):
            columns[column] = [
                web.campaign_value(_text(campaign.get(key))) or getattr(part, column)
                for campaign, part in zip(campaigns, parts, strict=True)
            ]
        return columns

    def sales_orders(self, rows: list[tuple[int, int, Message]]) -> dict[str, Any]:
        properties = [_dict(message.get("properties")) for *_, message in rows]
        amounts = parse_amounts([_text(each.get("total", each.get("revenue"))) for each in properties])
        for _, number, message in rows:
            self.identify(message, number, "sales_order", {})
        return {
            "status": ["completed"] * len(rows),
            "amount": amounts.value,
            "currency": [_text(each.get("currency")) or self.source.currency for each in properties],
            "ordered_at": self.times(rows),
            "observed_at": self.times(rows),
        }

    def identify(self, message: Message, number: int, kind: str, traits: Message) -> None:
        """Identifiers of one message: cookies, log-ins, and what the traits say of the person."""
        previous = message.get("previousId") if message["type"] == "alias" else None
        found: list[tuple[str, str, bool]] = []
        if message.get("anonymousId"):
            found.append(("cookie", f"ajs:{message['anonymousId']}", True))
        found += [("user_id", str(user), True) for user in (message.get("userId"), previous) if user]
        if message["type"] != "group":
            email = normalise.email(_text(traits.get("email")))
            phone = normalise.phone(_text(traits.get("phone")), self.source.phone_region)
            for name, known in (("email", email), ("phone", phone)):
                if known.value is not None:
                    found.append((name, known.value, known.is_valid))
        for identifier_type, identifier, valid in dict.fromkeys(found):
            values = (str(message["messageId"]), number, kind, identifier_type, identifier, valid)
            for column, value in zip(self.identifiers.values(), values, strict=True):
                column.append(value)


def _corrected(timestamp: pa.Array, original: pa.Array, sent: pa.Array, received: pa.Array) -> pa.Array:
    """Segment's own `timestamp` where given, else receivedAt − (sentAt − originalTimestamp), else what there is."""
    skew = pc.subtract(sent.cast(pa.int64()), original.cast(pa.int64()))
    computed = pc.subtract(received.cast(pa.int64()), skew).cast(pa.timestamp("us")).cast(TIMESTAMP)
    return pc.coalesce(timestamp, computed, original, received, sent)


def _traits(message: Message) -> Message:
    return _dict(message.get("traits")) | _dict(_dict(message.get("context")).get("traits"))


def _is_order(message: Message) -> bool:
    return message["type"] == "track" and str(message.get("event", "")).lower() in _ORDERED


def _event_name(message: Message) -> str:
    kind = message["type"]
    return f"track:{message.get('event')}" if kind == "track" else f"{kind}_view"


def _page(message: Message, context: Message) -> tuple[str | None, str | None]:
    """(address, referrer) of the page a message speaks of."""
    properties, page = _dict(message.get("properties")), _dict(context.get("page"))
    return _text(properties.get("url") or page.get("url")), _text(properties.get("referrer") or page.get("referrer"))


def _session(message: Message, context: Message) -> str | None:
    """Segment's session id where there is one; else visitor and day: a visit a day is one touch."""
    session = context.get("sessionId")
    if session:
        return str(session)
    day = str(message.get("timestamp") or message.get("originalTimestamp") or "")[:10]
    who = message.get("anonymousId") or message.get("userId")
    return f"{who}:{day}" if who else None


def _dict(value: Any) -> Message:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value).encode("utf-8", "replace").decode().strip()
    return text or None


def _page_csv(build: Builder) -> Batch:
    """The warehouse's table of page views."""
    ids = build.text("id", "message_id")
    at = pc.coalesce(build.typed(TIMESTAMP, "timestamp"), build.typed(TIMESTAMP, "received_at"))
    pages = web.each(build.text("url", "context_page_url"), web.page)
    bot = pa.array(web.each(build.text("context_user_agent"), web.is_bot), pa.bool_())
    hosts = pa.array(web.each(build.text("referrer", "context_page_referrer"), web.host), pa.string()).to_pylist()
    columns = {
        "channel": build.constant("web"),
        "direction": build.constant("inbound"),
        "occurred_at": at,
        "utc_offset_minutes": offsets(at, build.source),
        "event_name": build.constant("page_view"),
        "company_side": pa.array([page.host for page in pages], pa.string()),
        "interaction_class": pc.if_else(bot, "bot", "person"),
        "is_touch": pc.invert(bot),
        "click_id_type": pa.array([page.click_id_type for page in pages], pa.string()),
        "referrer_host": pa.array(
            [web.external(there, page.host) for there, page in zip(hosts, pages, strict=True)], pa.string()
        ),
        "page_path": pc.coalesce(build.text("path"), pa.array([page.path for page in pages], pa.string())),
        "user_agent": build.text("context_user_agent"),
    }
    for column, key in zip(web.UTM, _UTM_NAMES, strict=True):
        given = pa.array(web.each(build.text(f"context_campaign_{key}"), web.campaign_value), pa.string())
        columns[column] = pc.coalesce(given, pa.array([getattr(page, column) for page in pages], pa.string()))
    build.add("interaction", ids, columns)
    build.identify("interaction", ids, "cookie", pc.binary_join_element_wise("ajs", build.text("anonymous_id"), ":"))
    build.identify("interaction", ids, "user_id", build.text("user_id"))
    return build.batch()
