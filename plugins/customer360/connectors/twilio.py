"""Twilio calls and messages: the API's JSON pages, JSON lines, and CSV by API, warehouse or console names.

The customer's side is the end that is not the company's. Nothing of a message's text is kept but
whether it opts out. A sid that starts with CA is a call, with SM or MM a message.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors.amounts import Amounts, parse_amounts
from customer360.connectors.base import Batch, Delivery, Rejected, register, table
from customer360.connectors.parties import (
    Mask,
    choose,
    flags_of,
    mask_of,
    own_phones,
    phone_identifiers,
)
from customer360.connectors.stamps import Stamps, parse_stamps
from customer360.connectors.text import Records, open_csv
from customer360.connectors.twilio_json import COLUMNS, Again, Page, looks_like_json, read_pages
from customer360.normalise import NormalisedColumn

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

# Without blanks, case and underscores: 'Sent Date', 'SentDate' and 'sent_date' are one.
_CSV_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("sid", "call_sid", "message_sid", "id"),
    "sent": ("start_time", "date_sent", "sent_date", "date_created", "created_at", "end_time", "updated_at"),
    "direction": ("direction", "type"),
    "from": ("from", "caller"),
    "to": ("to", "called", "recipient"),
    "status": ("status", "call_status", "message_status"),
    "duration": ("duration", "call_duration", "duration_seconds"),
    "price": ("price",),
    "price_unit": ("price_unit", "currency"),
    "caller_name": ("caller_name",),
    "answered_by": ("answered_by",),
    "parent": ("parent_call_sid", "parent_call_id"),
    "body": ("body",),
}
_OUTCOMES: Final = {"completed": "answered", "no-answer": "no_answer", "canceled": "no_answer"}
# The words Twilio itself obeys, and their like in the languages of its customers.
_STOP: Final = pa.array(
    "stop stopall unsubscribe cancel end quit revoke optout stopp arret arrêt abmelden baja td 退订".split()
)
_AGENT_DEVICES: Final = r"^(?:client|sips?):"
_ROWS: Final = 100_000  # of one Batch


@register
class Twilio:
    """See the module's text."""

    name: ClassVar[str] = "twilio"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "twilio"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of about 100,000 records. Stamps without a zone are UTC, as Twilio's are."""
        utc = replace(source, timezone=ZoneInfo("UTC"))
        for file in delivery.files:
            with Again(file) as again:
                for page in _joined(_pages(file, source, again)):
                    yield _batch(file.path, page, utc, own)


def _pages(file: InputFile, source: Source, again: Again) -> Iterator[Page]:
    with file.open() as stream:
        start = stream.read(256)
    if looks_like_json(start):
        yield from read_pages(file, again)
        return
    for rows in open_csv(file, source.encoding).chunks():
        yield _csv_page(rows)


def _csv_page(rows: Records) -> Page:
    columns = {name: pc.coalesce(*(rows.column(each) for each in _CSV_NAMES[name])) for name in COLUMNS}
    return Page(
        pa.table(columns),
        rows.row_number,
        list(rows.line),
        lambda index: rows.text[index].encode(rows.encoding, "surrogatepass"),
        rows.rejected,
    )


def _joined(pages: Iterable[Page]) -> Iterator[Page]:
    """Pages put together until they hold enough rows to be worth a batch."""
    waiting: list[Page] = []
    rows = 0
    for page in pages:
        waiting.append(page)
        rows += len(page.row_number) + len(page.rejected)
        if rows >= _ROWS:
            yield _one(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _one(waiting)


def _one(pages: list[Page]) -> Page:
    if len(pages) == 1:
        return pages[0]
    ends = list(accumulate(len(page.row_number) for page in pages))

    def raw(index: int) -> bytes:
        place = bisect_right(ends, index)
        return pages[place].raw(index - (ends[place - 1] if place else 0))

    return Page(
        pa.concat_tables([page.columns for page in pages]).combine_chunks(),
        [number for page in pages for number in page.row_number],
        [line for page in pages for line in page.line],
        raw,
        [rejected for page in pages for rejected in page.rejected],
    )


@dataclass(slots=True)
class _Values:
    """The columns of a page as values, all of one length."""

    text: dict[str, pa.Array]
    stamps: Stamps
    duration: Amounts
    price: Amounts
    row_number: pa.Array

    def filter(self, keep: Mask) -> _Values:
        where = pa.array(keep)
        return _Values(
            {name: column.filter(where) for name, column in self.text.items()},
            Stamps(
                self.stamps.instant.filter(where),
                self.stamps.offset_minutes.filter(where),
                self.stamps.flags.filter(where),
                self.stamps.unreadable[keep],
            ),
            Amounts(self.duration.value.filter(where), self.duration.unreadable[keep]),
            Amounts(self.price.value.filter(where), self.price.unreadable[keep]),
            self.row_number.filter(where),
        )


def _batch(path: str, page: Page, source: Source, own: OwnIdentities) -> Batch:
    text = {name: _whole(page.columns.column(name)) for name in COLUMNS}
    values = _Values(
        text,
        parse_stamps(text["sent"], source),
        parse_amounts(text["duration"]),
        parse_amounts(text["price"]),
        pa.array(page.row_number, pa.int64()),
    )
    refused = _refusals(values, own, source.phone_region)
    rejected = [
        Rejected(path, page.row_number[index], reason, page.line[index], detail, page.raw(index))
        for index, (reason, detail) in sorted(refused.items())
    ]
    keep = np.ones(len(page.row_number), np.bool_)
    keep[list(refused)] = False
    tables, collapsed = _tables(values.filter(keep) if refused else values, source, own)
    return Batch(len(page.row_number) + len(page.rejected), tables, [*page.rejected, *rejected], collapsed)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Trimmed; empty is null."""
    array = column.combine_chunks()
    trimmed = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _refusals(values: _Values, own: OwnIdentities, region: str | None) -> dict[int, tuple[str, str | None]]:
    """Index → (reason, column) of records that cannot be used."""
    text = values.text
    nobody = mask_of(pc.is_null(pc.coalesce(text["direction"], text["from"], text["to"])))
    unsaid = mask_of(pc.is_null(text["direction"])) & ~nobody
    if unsaid.any():
        sides = (normalise.phone_column(text[side], region).value for side in ("from", "to"))
        unsaid &= ~np.logical_or(*(own_phones(side, own) for side in sides))
    refused: dict[int, tuple[str, str | None]] = {}
    for where, reason, detail in (
        (mask_of(pc.is_null(text["id"])), "missing_id", "sid"),
        (nobody, "not_a_contact", None),
        (unsaid, "missing_direction", "direction"),
        (values.stamps.unreadable, "bad_timestamp", "start_time"),
        (mask_of(pc.is_null(values.stamps.instant)), "missing_timestamp", "start_time"),
        (values.duration.unreadable, "bad_value", "duration"),
        (values.price.unreadable, "bad_value", "price"),
    ):
        for index in np.flatnonzero(where).tolist():
            refused.setdefault(index, (reason, detail))
    return refused


@dataclass(slots=True)
class _Sides:
    """Who spoke with whom. `internal`: nobody outside the company took part."""

    inbound: Mask
    internal: Mask
    customer: NormalisedColumn
    company: NormalisedColumn


def _sides(text: dict[str, pa.Array], is_call: Mask, own: OwnIdentities, region: str | None) -> _Sides:
    """Direction as stated, unless only the stated customer's end is the company's own: then the other way.

    To Twilio a call from an agent's browser or desk phone is inbound; to the company it is internal
    (the customer is on the leg that it dials).
    """
    caller, called = (normalise.phone_column(text[side], region) for side in ("from", "to"))
    from_own, to_own = own_phones(caller.value, own), own_phones(called.value, own)
    stated = pc.utf8_lower(text["direction"])
    inbound = mask_of(pc.match_substring_regex(stated, "^(?:inbound|incoming|trunking-originating)"))
    inbound |= mask_of(pc.is_null(stated)) & to_own
    turned = np.where(inbound, from_own & ~to_own, to_own & ~from_own)
    device = mask_of(pc.match_substring_regex(text["from"], _AGENT_DEVICES)) & is_call & inbound & ~turned
    inbound ^= turned
    return _Sides(
        inbound,
        (from_own & to_own) | device,
        choose(inbound, caller, called),
        choose(inbound, called, caller),
    )


def _tables(values: _Values, source: Source, own: OwnIdentities) -> tuple[dict[str, pa.Table], dict[int, int]]:
    """Interactions and identifiers, and how many legs each call absorbed."""
    text = values.text
    is_message = _is_message(text)
    sides = _sides(text, ~is_message, own, source.phone_region)
    person = ~sides.internal
    # A code or a name in place of a number is a service that writes to many.
    service = mask_of(pc.is_in(sides.customer.kind, pa.array(["short_code", "alpha_sender"])))
    bulk = service & is_message & person
    stop = mask_of(pc.is_in(pc.utf8_lower(text["body"]), _STOP)) & sides.inbound & is_message
    machine = mask_of(pc.starts_with(text["answered_by"], "machine"))
    classes = pc.if_else(pa.array(bulk), "bulk", pc.if_else(pa.array(person), "person", "internal"))
    directions = pc.if_else(pa.array(sides.inbound), "inbound", "outbound")
    interaction = {
        "source_record_id": text["id"],
        "row_number": values.row_number,
        "channel": pc.if_else(pa.array(is_message), "sms", "phone"),
        "direction": pc.if_else(pa.array(person), directions, "internal"),
        "occurred_at": values.stamps.instant,
        "utc_offset_minutes": values.stamps.offset_minutes,
        "event_name": pc.if_else(pa.array(is_message), "message", "call"),
        "company_side": sides.company.value,
        "duration_s": pc.round(values.duration.value).cast(pa.int32(), safe=False),
        "outcome": _outcome(text["status"], is_message),
        "interaction_class": classes,
        "is_touch": pa.array(sides.inbound & person & ~bulk),
        "cost": pc.negate(values.price.value),
        "currency": pc.coalesce(pc.utf8_upper(text["price_unit"]), pa.scalar(source.currency, pa.string())),
        "name_hint": text["caller_name"],
        "flags": flags_of(
            len(is_message),
            [(stop, "opt_out"), (machine, "machine"), (service & person, "short_code"), (values.stamps.flags, None)],
        ),
    }
    known = phone_identifiers(text["id"], values.row_number, sides.customer, where=person)
    leads, legs = _legs(text, sides.inbound & person & ~is_message, ~sides.inbound & ~is_message)
    tables = {"interaction": table("interaction", interaction), "identifier": known}
    if len(legs):
        gone = values.row_number.take(pa.array(legs))
        tables = {
            name: rows.filter(pc.invert(pc.is_in(rows.column("row_number"), gone))) for name, rows in tables.items()
        }
    rows, counts = np.unique(values.row_number.to_numpy()[leads], return_counts=True)
    return tables, dict(zip(rows.tolist(), counts.tolist(), strict=True))


def _is_message(text: dict[str, pa.Array]) -> Mask:
    """By the sid; by whether it has a duration where the sid does not say."""
    prefix = pc.utf8_slice_codeunits(text["id"], 0, 2)
    message = mask_of(pc.is_in(prefix, pa.array(["SM", "MM"])))
    call = mask_of(pc.equal(prefix, "CA"))
    return message | (~call & mask_of(pc.is_null(text["duration"])))


Places = npt.NDArray[np.intp]


def _legs(text: dict[str, pa.Array], contact: Mask, outbound: Mask) -> tuple[Places, Places]:
    """Indexes (of the calls, of their legs): a leg to an agent dialled for a caller is part of the call."""
    if text["parent"].null_count == len(outbound):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    parent = pc.fill_null(pc.index_in(text["parent"], value_set=text["id"], skip_nulls=True), -1)
    places = parent.to_numpy(zero_copy_only=False).astype(np.intp)
    is_leg = (places >= 0) & outbound & contact[places]
    return places[is_leg], np.flatnonzero(is_leg)


def _outcome(status: pa.Array, is_message: Mask) -> pa.Array:
    """A call's status in the contract's words; a message's as Twilio says it."""
    words = pc.utf8_lower(status).dictionary_encode()
    spelt = [text.replace(" ", "-") for text in words.dictionary.to_pylist()]
    calls = pa.array([_OUTCOMES.get(text, text.replace("-", "_")) for text in spelt], pa.string())
    messages = pa.array([text.replace("-", "_") for text in spelt], pa.string())
    return pc.if_else(pa.array(is_message), messages.take(words.indices), calls.take(words.indices))
