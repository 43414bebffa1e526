"""Twilio calls and messages: the API's JSON pages, JSON lines, and CSV by API or warehouse names.

The customer's side is the end that is not the company's. Nothing of a message's text is kept but
whether it opts out. A sid that starts with CA is a call, with SM or MM a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors import parties
from customer360.connectors.amounts import parse_amounts
from customer360.connectors.base import Batch, Delivery, Rejected, register, table
from customer360.connectors.stamps import Stamps, parse_stamps
from customer360.connectors.text import Records, open_csv
from customer360.connectors.twilio_json import COLUMNS, Page, looks_like_json, read_pages

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_CSV_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("sid", "id", "call_sid", "message_sid"),
    "sent": ("start_time", "date_sent", "date_created", "sent_date", "created_at", "end_time", "updated_at"),
    "direction": ("direction",),
    "from": ("from",),
    "to": ("to",),
    "status": ("status",),
    "duration": ("duration",),
    "price": ("price",),
    "price_unit": ("price_unit",),
    "caller_name": ("caller_name",),
    "answered_by": ("answered_by",),
    "parent": ("parent_call_sid", "parent_call_id"),
    "body": ("body",),
}
_OUTCOMES: Final = {
    "completed": "answered",
    "no-answer": "no_answer",
    "canceled": "no_answer",
    "busy": "busy",
    "failed": "failed",
}
_STOP: Final = pa.array(
    ["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "stopp", "arret", "arrêt", "abmelden"]
)


@register
class Twilio:
    """See the module's text."""

    name: ClassVar[str] = "twilio"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "twilio"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per page. Stamps without a zone are UTC, as Twilio's are."""
        utc = replace(source, timezone=ZoneInfo("UTC"))
        for file in delivery.files:
            for page in _pages(file, source):
                yield _batch(file.path, page, utc, own)


def _pages(file: InputFile, source: Source) -> Iterator[Page]:
    with file.open() as stream:
        start = stream.read(256)
    if looks_like_json(start):
        yield from read_pages(file)
        return
    for rows in open_csv(file, source.encoding).chunks():
        yield _csv_page(rows)


def _csv_page(rows: Records) -> Page:
    columns = {name: rows.column(*_CSV_NAMES[name]) for name in COLUMNS}
    columns["sent"] = pc.coalesce(*(rows.column(name) for name in _CSV_NAMES["sent"]))
    return Page(
        pa.table(columns),
        rows.row_number,
        list(rows.line),
        lambda index: rows.text[index].encode(rows.encoding, "surrogatepass"),
        rows.rejected,
    )


def _batch(path: str, page: Page, source: Source, own: OwnIdentities) -> Batch:
    columns, count = page.columns, page.columns.num_rows
    read = count + len(page.rejected)
    if not count:
        return Batch(read, {}, page.rejected)
    ids = columns.column("id")
    stamps = parse_stamps(columns.column("sent"), source)
    refused: dict[int, tuple[str, str | None]] = {}
    for where, reason, detail in (
        (parties.mask_of(pc.is_null(ids)), "missing_id", "sid"),
        (stamps.unreadable, "bad_timestamp", "start_time"),
        (parties.mask_of(pc.is_null(stamps.instant)), "bad_timestamp", "start_time"),
    ):
        for index in np.flatnonzero(where).tolist():
            refused.setdefault(index, (reason, detail))
    rejected = [
        Rejected(path, page.row_number[index], reason, page.line[index], detail, page.raw(index))
        for index, (reason, detail) in sorted(refused.items())
    ]
    tables = _tables(columns, stamps, page.row_number, source, own)
    if refused:
        gone = pa.array([page.row_number[index] for index in refused], pa.int64())
        tables = {
            name: rows.filter(pc.invert(pc.is_in(rows.column("row_number"), gone))) for name, rows in tables.items()
        }
    return Batch(read, tables, [*page.rejected, *rejected])


def _tables(
    columns: pa.Table, stamps: Stamps, numbers: list[int], source: Source, own: OwnIdentities
) -> dict[str, pa.Table]:
    count = columns.num_rows
    ids = columns.column("id").combine_chunks().fill_null("")
    is_message = pc.or_(pc.starts_with(ids, "SM"), pc.starts_with(ids, "MM"))
    direction = pc.utf8_lower(columns.column("direction").combine_chunks()).fill_null("")
    caller = normalise.phone_column(columns.column("from"), source.phone_region)
    called = normalise.phone_column(columns.column("to"), source.phone_region)
    inbound = parties.mask_of(pc.starts_with(direction, "inbound"))
    unsaid = parties.mask_of(pc.equal(direction, ""))
    inbound |= unsaid & parties.own_phones(called.value, own)
    both_own = parties.own_phones(caller.value, own) & parties.own_phones(called.value, own)
    customer, company = parties.choose(inbound, caller, called), parties.choose(inbound, called, caller)
    opt_out = parties.mask_of(pc.is_in(pc.utf8_trim_whitespace(pc.utf8_lower(columns.column("body"))), _STOP)) & inbound
    status = pc.utf8_lower(columns.column("status").combine_chunks())
    price = parse_amounts(columns.column("price").to_pylist())
    numbered = pa.array(numbers, pa.int64())
    interaction = {
        "source_record_id": ids,
        "row_number": numbered,
        "channel": pc.if_else(is_message, "sms", "phone"),
        "direction": pc.if_else(pa.array(both_own), "internal", pc.if_else(pa.array(inbound), "inbound", "outbound")),
        "occurred_at": stamps.instant,
        "utc_offset_minutes": stamps.offset_minutes,
        "event_name": pc.if_else(is_message, "message", "call"),
        "company_side": company.value,
        "duration_s": _seconds(columns.column("duration")),
        "outcome": _outcome(status, is_message),
        "interaction_class": pc.if_else(pa.array(both_own), "internal", "person"),
        "is_touch": pa.array(inbound & ~both_own),
        "cost": pc.negate(price.value),
        "currency": pc.coalesce(columns.column("price_unit").combine_chunks(), pa.scalar(source.currency, pa.string())),
        "name_hint": columns.column("caller_name"),
        "flags": parties.flags_of(count, [(opt_out, "opt_out"), (stamps.flags, None)]),
    }
    known = parties.phone_identifiers(ids, numbered, customer, where=~both_own)
    built = table("interaction", interaction)
    missing = pc.or_(pc.is_null(built.column("occurred_at")), pc.equal(built.column("source_record_id"), ""))
    return {"interaction": built.filter(pc.invert(missing)), "identifier": known}


def _seconds(values: pa.ChunkedArray) -> pa.Array:
    return pc.round(parse_amounts(values.to_pylist()).value).cast(pa.int32(), safe=False)


def _outcome(status: pa.Array, is_message: pa.Array) -> pa.Array:
    """A call's status in the contract's words; a message's as Twilio says it."""
    words = status.dictionary_encode()
    known = pa.array([_OUTCOMES.get(text, text) for text in words.dictionary.to_pylist()], pa.string())
    return pc.if_else(is_message, status, known.take(words.indices))
