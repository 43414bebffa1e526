"""Segment (and what writes as it does): track, identify, page, screen, group and alias messages.

JSON lines or a JSON array; CSV copies of the warehouse tables are read by `segment_tables`. identify, group
and alias → `contact_record` of kind `user`; page, screen and track → `interaction`; a track of a completed
or refunded order → also `sales_order` (a refund as an order of negative amount).

Time is corrected for the sender's clock as Segment does: receivedAt − (sentAt − originalTimestamp). What a
bot sends is kept, but identifies nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors import web
from customer360.connectors.amounts import parse_amounts
from customer360.connectors.base import Batch, Delivery, Rejected, UnreadableFile, register, table
from customer360.connectors.convert import as_text
from customer360.connectors.lines import STRETCH, Lines, read_lines, texts
from customer360.connectors.segment_people import contact_columns, merged
from customer360.connectors.segment_tables import read_table
from customer360.connectors.stamps import parse_stamps
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_PEOPLE: Final = ("identify", "group", "alias")
_EVENTS: Final = ("track", "page", "screen")
_COMPLETED: Final = ("order completed", "completed order", "order placed")
_REFUNDED: Final = ("order refunded", "refunded order")
_STAMPS: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
_CAMPAIGN: Final = ("source", "medium", "name", "term", "content")  # as web.UTM
_NO_DEVICE: Final = "00000000-0000-0000-0000-000000000000"  # advertising id of who does not want one
_ADDRESS: Final = r"^\S+@\S+\.\S+$"
_NULL: Final = pa.scalar(None, pa.string())

# What is taken out of a message: the first of these members that says something.
_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "id": ("messageId",),
    "type": ("type",),
    "anonymous": ("anonymousId",),
    "user": ("userId",),
    "previous": ("previousId",),
    "group": ("groupId",),
    "event": ("event",),
    **{name: (name,) for name in _STAMPS},
    "agent": ("context.userAgent",),
    "session": ("context.sessionId",),
    "device": ("context.device.id",),
    "advertising": ("context.device.advertisingId",),
    "url": ("properties.url", "context.page.url"),
    "referrer": ("properties.referrer", "context.page.referrer"),
    **{f"campaign_{name}": (f"context.campaign.{name}",) for name in _CAMPAIGN},
    "email": ("traits.email", "context.traits.email"),
    "phone": ("traits.phone", "context.traits.phone"),
    "amount": ("properties.total", "properties.revenue", "properties.value"),
    "currency": ("properties.currency",),
}
_OBJECTS: Final = ("traits", "context.traits")


@register
class Segment:
    """See the module's text."""

    name: ClassVar[str] = "segment"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "segment"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 100,000 messages.

        Refused: bad_json, missing_id, unknown_type, bad_timestamp, missing_value (a track without a name),
        bad_value (an order's amount). Raises UnreadableFile: bad_json for a broken array, unknown_object
        for a CSV that is no known table.
        """
        system = source.system or self.system
        for file in delivery.files:
            with file.open() as stream:
                start = stream.read(4096).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
            if not start.startswith((b"{", b"[")):
                yield from read_table(file, source, system, own)
                continue
            stretches = _array(file) if start.startswith(b"[") else read_lines(file, source.encoding)
            for lines in stretches:
                yield _batch(lines, texts(file, lines), source, system, own)


def _array(file: InputFile) -> Iterator[Lines]:
    """Elements of a JSON array; they have no lines."""
    with file.open() as stream:
        content = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        elements = [bytes(each) for each in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise UnreadableFile("bad_json", f"array of messages: {error}") from None
    for start in range(0, len(elements), STRETCH):
        part = elements[start : start + STRETCH]
        yield Lines(file.path, "utf-8", part, list(range(start + 1, start + 1 + len(part))), [None] * len(part))


def _batch(lines: Lines, messages: pa.Array, source: Source, system: str, own: OwnIdentities) -> Batch:
    columns, valid = extract(messages)
    stamps = {name: parse_stamps(columns[name], source) for name in _STAMPS}
    columns |= {
        "row_number": pa.array(lines.row_number, pa.int64()),
        "at": _corrected(*(stamps[name].instant for name in _STAMPS)),
        "offset": pc.coalesce(*(stamps[name].offset_minutes for name in _STAMPS)),
        "status": _order_status(columns),
    }
    rejected: list[Rejected] = []
    good = np.ones(len(lines), np.bool_)
    for reason, member, where in _problems(columns, valid):
        found = good & where.fill_null(False).to_numpy(zero_copy_only=False)
        rejected += [lines.reject(index, reason, member) for index in np.flatnonzero(found).tolist()]
        good &= ~found
    rows = Rows(source, system, own, pa.table(columns).filter(pa.array(good)))
    return Batch(len(lines), rows.tables(), rejected)


def extract(messages: pa.Array) -> tuple[dict[str, pa.Array], pa.Array]:
    """Members of every message as text columns (see _MEMBERS; objects as JSON), and which are messages at all."""
    paths = [*dict.fromkeys(path for members in _MEMBERS.values() for path in members), *_OBJECTS]
    with duckdb.connect() as engine:
        engine.execute("set threads = 1")  # with more, rows come in any order
        engine.register("messages", pa.table({"message": messages}))
        cells = ", ".join(f"cells[{place}]" for place in range(1, len(paths) + 1))
        found = engine.sql(
            f"""
            select valid, {cells}
            from (
                select json is not null as valid, json_extract_string(json, $paths) as cells
                from (
                    select case when json_valid(message) and ltrim(message)[1] = '{{' then message end as json
                    from messages
                ) as checked
            ) as extracted
            """,
            params={"paths": [f"$.{path}" for path in paths]},
        ).to_arrow_table()
    valid, *values = (column.combine_chunks() for column in found.columns)
    by_path = dict(zip(paths, values, strict=True))
    columns = {name: pc.coalesce(*(_scalar(by_path[path]) for path in paths)) for name, paths in _MEMBERS.items()}
    return columns | {path: by_path[path] for path in _OBJECTS}, valid


def _scalar(values: pa.Array) -> pa.Array:
    """Texts and numbers; objects and lists, which stand where none is expected, are null."""
    text = as_text(values)
    nested = pc.match_substring_regex(text, r"^(?:\{.*\}|\[.*\])$").fill_null(False)
    return pc.if_else(nested, _NULL, text)


def _problems(columns: dict[str, pa.Array], valid: pa.Array) -> list[tuple[str, str | None, pa.Array]]:
    """(reason, member, where) of messages that cannot be used; the first that holds is told."""
    known = pc.is_in(columns["type"], pa.array([*_PEOPLE, *_EVENTS]))
    nameless = pc.and_(pc.equal(columns["type"], "track"), columns["event"].is_null())
    amount = pc.if_else(columns["status"].is_valid(), columns["amount"], _NULL)
    return [
        ("bad_json", None, pc.invert(valid)),
        ("missing_id", "messageId", columns["id"].is_null()),
        ("unknown_type", "type", pc.invert(known)),
        ("missing_value", "event", nameless),
        ("bad_value", "properties.total", pa.array(parse_amounts(amount.to_pylist()).unreadable)),
        ("bad_timestamp", "timestamp", columns["at"].is_null()),
    ]


def _corrected(timestamp: pa.Array, original: pa.Array, sent: pa.Array, received: pa.Array) -> pa.Array:
    """receivedAt − (sentAt − originalTimestamp) where all are given, else what there is."""
    skew = pc.subtract(sent.cast(pa.int64()), original.cast(pa.int64()))
    computed = pc.subtract(received.cast(pa.int64()), skew).cast(pa.timestamp("us")).cast(TIMESTAMP)
    return pc.coalesce(computed, timestamp, original, received, sent)


def _order_status(columns: dict[str, pa.Array]) -> pa.Array:
    """Status of the order that a track message tells of; null for all others."""
    event = pc.if_else(pc.equal(columns["type"], "track"), pc.utf8_lower(columns["event"]), _NULL)
    refunded = pc.if_else(pc.is_in(event, pa.array(_REFUNDED)), "refunded", _NULL)
    return pc.if_else(pc.is_in(event, pa.array(_COMPLETED)), "completed", refunded)


@dataclass(frozen=True, slots=True)
class Rows:
    """Messages on their way to tables; `columns` holds what `extract` found, and their time and place."""

    source: Source
    system: str
    own: OwnIdentities
    columns: pa.Table

    def __getitem__(self, name: str) -> pa.Array:
        return self.columns.column(name).combine_chunks()

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def tables(self) -> dict[str, pa.Table]:
        identifiers: list[pa.Table] = []
        tables: dict[str, pa.Table] = {}
        parts: tuple[tuple[str, str, pa.Array, Callable[[Rows], dict[str, pa.Array]]], ...] = (
            ("contact_record", "user", pc.is_in(self["type"], pa.array(_PEOPLE)), _contact_records),
            ("interaction", "interaction", pc.is_in(self["type"], pa.array(_EVENTS)), _interactions),
            ("sales_order", "sales_order", self["status"].is_valid(), _sales_orders),
        )
        for entity, kind, where, columns in parts:
            rows = Rows(self.source, self.system, self.own, self.columns.filter(where))
            if len(rows):
                position = {"source_record_id": rows["id"], "row_number": rows["row_number"]}
                tables[entity] = table(entity, position | columns(rows))
                identifiers += _identifiers(rows, kind)
        if identifiers:
            tables["identifier"] = pa.concat_tables(identifiers)
        return tables

    def bots(self) -> pa.Array:
        """By the user agent; servers and apps send none."""
        return pc.and_(web.bots(self["agent"]), self["agent"].is_valid())


def _contact_records(rows: Rows) -> dict[str, pa.Array]:
    traits = merged(rows["context.traits"], rows["traits"])
    columns = contact_columns(traits, pc.equal(rows["type"], "group").to_pylist(), rows.source)
    group = pc.coalesce(rows["group"], columns.pop("company_id"))
    return columns | {
        "record_kind": pa.repeat("user", len(rows)),
        "account_ref": _prefixed(f"{rows.system}:group", group),
        "observed_at": rows["at"],
        "created_at": pc.coalesce(columns["created_at"], rows["at"]),
    }


def _interactions(rows: Rows) -> dict[str, pa.Array]:
    page = web.pages(rows["url"])
    bot = rows.bots()
    tracked = pc.equal(rows["type"], "track")
    seen = pc.binary_join_element_wise(rows["type"], "view", "_")
    day = pc.strftime(rows["at"], format="%Y-%m-%d")
    # A visit a day is one touch where the sender knows no sessions.
    visit = pc.binary_join_element_wise(pc.coalesce(rows["anonymous"], rows["user"]), day, ":")
    given = {name: web.each(rows[f"campaign_{name}"], web.campaign_value) for name in _CAMPAIGN}
    return {
        "channel": pa.repeat("web", len(rows)),
        "direction": pa.repeat("inbound", len(rows)),
        "occurred_at": rows["at"],
        "utc_offset_minutes": rows["offset"],
        "event_name": pc.if_else(tracked, _prefixed("track", rows["event"]), seen),
        "company_side": page["host"],
        "interaction_class": pc.if_else(bot, "bot", "person"),
        "is_touch": pc.invert(pc.or_(tracked, bot)),
        "session_id": pc.coalesce(rows["session"], visit),
        **{utm: pc.coalesce(given[name], page[utm]) for utm, name in zip(web.UTM, _CAMPAIGN, strict=True)},
        "click_id_type": page["click_id_type"],
        "referrer_host": web.externals(web.each(rows["referrer"], web.host), page["host"], rows.own.domains),
        "page_path": page["path"],
        "user_agent": rows["agent"],
    }


def _sales_orders(rows: Rows) -> dict[str, pa.Array]:
    amounts = parse_amounts(rows["amount"].to_pylist()).value
    refund = pc.negate(pc.abs(amounts)).cast(amounts.type)
    return {
        "status": rows["status"],
        "amount": pc.if_else(pc.equal(rows["status"], "refunded"), refund, amounts),
        "currency": pc.coalesce(pc.utf8_upper(rows["currency"]), pa.scalar(rows.source.currency, pa.string())),
        "ordered_at": rows["at"],
        "observed_at": rows["at"],
    }


def _identifiers(rows: Rows, kind: str) -> list[pa.Table]:
    """Cookies, log-ins and devices, and what the traits say of the person; of bots none is valid."""
    person = pc.invert(rows.bots())
    user = rows["user"]
    previous = pc.if_else(pc.equal(rows["type"], "alias"), rows["previous"], _NULL)
    device, advertising = rows["device"], rows["advertising"]
    found = [
        ("cookie", _prefixed("ajs", rows["anonymous"]), person),
        ("cookie", _prefixed("ajs", previous), person),  # an alias names either an anonymous id or a user
        ("user_id", previous, person),
        ("user_id", user, person),
        ("device", _prefixed("dev", device), person),
        ("device", _prefixed("ad", pc.if_else(pc.equal(advertising, _NO_DEVICE), _NULL, advertising)), person),
    ]
    whole = pc.equal(rows["type"], "group")  # what its traits tell is the organisation's
    address = pc.match_substring_regex(user, _ADDRESS).fill_null(False)
    for written in (pc.if_else(whole, _NULL, rows["email"]), pc.if_else(address, user, _NULL)):
        email = normalise.email_column(written)
        found.append(("email", email.value, pc.and_(email.is_valid, person)))
    phone = normalise.phone_column(pc.if_else(whole, _NULL, rows["phone"]), rows.source.phone_region)
    found.append(("phone", phone.value, pc.and_(phone.is_valid, person)))
    return [_identifier(rows, kind, *each) for each in found]


def _identifier(rows: Rows, kind: str, name: str, value: pa.Array, valid: pa.Array) -> pa.Table:
    there = value.is_valid()
    values = value.filter(there)
    return table(
        "identifier",
        {
            "source_record_id": rows["id"].filter(there),
            "row_number": rows["row_number"].filter(there),
            "record_kind": pa.repeat(kind, len(values)),
            "identifier_type": pa.repeat(name, len(values)),
            "identifier_value": values,
            "is_valid": valid.filter(there),
        },
    )


def _prefixed(prefix: str, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(prefix), values, ":")
