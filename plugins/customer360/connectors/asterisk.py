"""Asterisk call records: cdr_csv (accountcode first), cdr_custom (clid first), FreePBX, MySQL, UCM and Yeastar exports.

Files without a header are known by the columns that hold the start and the disposition. All rows of one
call (linkedid, else unique id) are one interaction. The epoch inside the unique id tells in which order day
and month stand, and whether the source's time zone is right: rows off by quarter hours are flagged
`zone_mismatch`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360 import normalise
from customer360.connectors.asterisk_calls import Calls, group_calls
from customer360.connectors.base import Batch, Delivery, UnreadableFile, register, table
from customer360.connectors.parties import Mask, choose, flags_of, mask_of, own_phones, phone_identifiers
from customer360.connectors.stamps import Stamps, parse_stamps
from customer360.connectors.text import CsvFile, Records, fold, open_csv

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_STAMP: Final = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]\d{1,2}:\d\d")
_YEAR_LAST: Final = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b"
_UNIQUE: Final = re.compile(r"^(?:[\w.-]+-)?\d{9,10}\.\d+$")
_EPOCH: Final = r"^(?:[\w.-]+-)?(?P<epoch>\d{9,10})\.\d+$"
_CLID: Final = r'^\s*"*(?P<name>[^"<]*?)"*\s*(?:<(?P<number>[^>]*)>"*)?\s*$'

_CDR: Final = (
    "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start answer end duration billsec"
    " disposition amaflags uniqueid userfield peeraccount linkedid sequence"
).split()
_CUSTOM: Final = (
    "clid src dst dcontext channel dstchannel lastapp lastdata start answer end duration billsec disposition"
    " amaflags accountcode uniqueid userfield sequence"
).split()
_DATABASE: Final = (
    "start clid src dst dcontext channel dstchannel lastapp lastdata duration billsec disposition amaflags"
    " accountcode uniqueid userfield did recordingfile cnum cnam outbound_cnum outbound_cnam dst_cnam"
).split()
_LAYOUTS: Final = {0: _DATABASE, 8: _CUSTOM, 9: _CDR}  # by the place of the start
# Columns by the names they have in files with a header, folded.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "start": ("start", "calldate", "starttime", "datetime", "starttimestamp"),
    "src": ("src", "callernumber", "calleridnumber", "source"),
    "dst": ("dst", "calleenumber", "destination"),
    "did": ("did", "didnumber"),
    "dcontext": ("dcontext", "context"),
    "clid": ("clid", "callerid", "callername", "cnam"),
    "channel": ("channel", "sourcechannel"),
    "dstchannel": ("dstchannel", "destchannel"),
    "duration": ("duration", "calltime"),
    "billsec": ("billsec", "talktime", "billable"),
    "disposition": ("disposition",),
    "uniqueid": ("uniqueid",),
    "linkedid": ("linkedid", "session"),
    "kind": ("userfield", "loguserfield", "calltype"),
}
_HEADER_COLUMNS: Final = frozenset(name for names in _NAMES.values() for name in names)
_DISPOSITIONS: Final = frozenset({"ANSWERED", "NO ANSWER", "NOANSWER", "BUSY", "FAILED", "CONGESTION"})
_OUTBOUND: Final = r"from-internal|outbound|outgoing|outrt|outside|macro-dialout"
_FEATURE: Final = r"^(?:[shtioaeTv]|[*#].*|_.*)$"  # extensions that are no telephone


@register
class AsteriskCdr:
    """See the module's text."""

    name: ClassVar[str] = "asterisk_cdr"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "pbx"
    # The longest internal number in digits (5), and what is dialled before an outside number (nothing).
    options: ClassVar[frozenset[str]] = frozenset({"extension_digits", "outside_line"})

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Batches of at most 100,000 rows. Raises UnreadableFile: unknown_format, wrong_date_order."""
        for file in delivery.files:
            told: Source | None = None
            known: dict[str, int] = {}  # call id → row number of the record kept for it
            for rows in _chunks(file, source):
                told = told or _with_date_order(rows, source)
                yield _batch(rows, told, own, known)


# Layout ---------------------------------------------------------------------------------------------------


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    records = open_csv(file, source.encoding)
    sample = records.sample()
    if not sample:
        raise UnreadableFile("empty", "no records")
    if len(_HEADER_COLUMNS & {fold(cell) for cell in sample[0]}) >= 5:
        return records.chunks(min_width=max(1, len(sample[0]) - 3))
    return _without_header(records, sample)


def _without_header(records: CsvFile, sample: Sequence[Sequence[str]]) -> Iterator[Records]:
    votes = Counter(place for cells in sample for place in _layout_votes(cells))
    if not votes:
        raise UnreadableFile("unknown_format", f"no start or end of a call where {len(sample[0])} columns have it")
    layout = _LAYOUTS[votes.most_common(1)[0][0]]
    width = max(len(cells) for cells in sample)
    names = [*layout, *(f"extra {number}" for number in range(width - len(layout)))]
    if layout is _DATABASE:
        _name_linkedid(names, sample)
    return records.chunks(names, min_width=min(15, len(layout)))


def _layout_votes(cells: Sequence[str]) -> Iterator[int]:
    """Keys of the layouts that a record speaks for, by its start and by its disposition."""
    for place, layout in _LAYOUTS.items():
        if len(cells) > place and _STAMP.match(cells[place]):
            yield place
        disposition = layout.index("disposition")
        if len(cells) > disposition and cells[disposition].upper() in _DISPOSITIONS:
            yield place


def _name_linkedid(names: list[str], sample: Sequence[Sequence[str]]) -> None:
    """Among the columns a database adds at the end, the one of the form of a unique id is the linkedid."""
    for place in range(16, len(names)):
        filled = [cells[place] for cells in sample if len(cells) > place and cells[place]]
        if filled and all(_UNIQUE.match(cell) for cell in filled):
            names[place] = "linkedid"
            return


# Time -----------------------------------------------------------------------------------------------------


def _epochs(rows: Records) -> npt.NDArray[np.float64]:
    """Seconds since 1970 that the unique ids name; NaN where they name none."""
    found = pc.struct_field(pc.extract_regex(rows.column(*_NAMES["uniqueid"]), _EPOCH), "epoch")
    return np.asarray(found.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False), np.float64)


def _off_by(stamps: Stamps, epochs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Hours from the epoch of the unique id to the start, to a quarter; NaN where either is missing."""
    micros = stamps.instant.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64()).fill_null(np.nan)
    seconds = np.asarray(micros.to_numpy(zero_copy_only=False), np.float64) / 1e6
    return np.asarray(np.round((seconds - epochs) / 900) / 4, np.float64)


def _with_date_order(rows: Records, source: Source) -> Source:
    """`source` with the date order that the unique ids prove, where the stamps leave it open.

    Raises UnreadableFile('wrong_date_order') if they prove another than the declared one.
    """
    starts = rows.column(*_NAMES["start"])
    year_last = mask_of(pc.match_substring_regex(starts, _YEAR_LAST))
    epochs = _epochs(rows)
    proof = year_last & ~np.isnan(epochs)
    if not proof.any():
        return source
    where = pa.array(proof)
    near: dict[str, float] = {}
    for order in ("dmy", "mdy"):
        stamps = parse_stamps(starts.filter(where), replace(source, date_order=order))
        near[order] = float(np.mean(np.abs(_off_by(stamps, epochs[proof])) <= 26))  # a NaN is not near
    best = max(near, key=lambda order: near[order])
    if near[best] < 0.9 or near.get(source.date_order, 0.0) >= 0.9:
        return source
    if source.date_order != "ymd":
        raise UnreadableFile("wrong_date_order", f"by the unique ids the stamps are {best}, not {source.date_order}")
    return replace(source, date_order=best)


# Calls ----------------------------------------------------------------------------------------------------


def _batch(rows: Records, source: Source, own: OwnIdentities, known: dict[str, int]) -> Batch:
    stamps = parse_stamps(rows.column(*_NAMES["start"]), source)
    missing = mask_of(pc.is_null(stamps.instant)) & ~stamps.unreadable
    rejected = [
        *rows.rejected,
        *rows.reject(stamps.unreadable, "bad_timestamp", "start"),
        *rows.reject(missing, "missing_timestamp", "start"),
    ]
    off = _off_by(stamps, _epochs(rows))
    wrong = off[~np.isnan(off)] != 0
    mismatch = (~np.isnan(off)) & (off != 0) & bool(wrong.size and wrong.mean() > 0.5)
    calls = group_calls({name: rows.column(*names) for name, names in _NAMES.items()}, stamps, rows.row_number, known)
    tables = _tables(calls, stamps, mismatch, source, own) if len(calls.lead) else {}
    return Batch(rows.rows_read, tables, rejected, calls.collapsed)


def _tables(calls: Calls, stamps: Stamps, mismatch: Mask, source: Source, own: OwnIdentities) -> dict[str, pa.Table]:
    lead = pa.array(calls.lead)
    text = calls.text
    name, number = (pc.struct_field(pc.extract_regex(text["clid"], _CLID), part) for part in ("name", "number"))
    src = pc.coalesce(text["src"], pc.if_else(pc.equal(number, ""), pa.scalar(None, pa.string()), number))
    caller = normalise.phone_column(src, source.phone_region)
    dialled = _without_prefix(text["dst"], str(source.options.get("outside_line", "")))
    called = normalise.phone_column(dialled, source.phone_region)
    longest = int(source.options.get("extension_digits", 5))
    from_inside = _inside(src, caller.value, text["channel"], own, longest)
    to_inside = _inside(text["dst"], called.value, text["dstchannel"], own, longest)
    inbound, internal = _directions(text, from_inside, to_inside)
    caller_name = pc.if_else(pc.match_substring_regex(name, r"[^\W\d_]"), pc.utf8_trim_whitespace(name), None)
    directions = pc.if_else(pa.array(inbound), "inbound", "outbound")
    company = pc.if_else(pa.array(inbound), pc.coalesce(text["did"], text["dst"]), src)
    interaction = {
        "source_record_id": calls.call_id,
        "row_number": calls.row_number,
        "channel": pa.repeat("phone", len(lead)),
        "direction": pc.if_else(pa.array(internal), "internal", directions),
        "occurred_at": stamps.instant.take(lead),
        "utc_offset_minutes": stamps.offset_minutes.take(lead),
        "event_name": pa.repeat("call", len(lead)),
        "company_side": company,
        "duration_s": pa.array(calls.talk_s, pa.int32()),
        "outcome": calls.outcome,
        "interaction_class": pc.if_else(pa.array(internal), "internal", "person"),
        "is_touch": pa.array(inbound & ~internal),
        "name_hint": pc.if_else(pa.array(inbound & ~internal), caller_name, None),
        "flags": flags_of(len(lead), [(mismatch[calls.lead], "zone_mismatch"), (stamps.flags.take(lead), None)]),
    }
    known = phone_identifiers(calls.call_id, calls.row_number, choose(inbound, caller, called), where=~internal)
    return {"interaction": table("interaction", interaction), "identifier": known}


def _without_prefix(numbers: pa.Array, outside_line: str) -> pa.Array:
    """Numbers as the network sees them: without the digits that ask the exchange for an outside line."""
    if not outside_line:
        return numbers
    return pc.replace_substring_regex(numbers, f"^{re.escape(outside_line)}(\\d{{6,}})$", r"\1")


def _inside(numbers: pa.Array, normalised: pa.Array, channel: pa.Array, own: OwnIdentities, longest: int) -> Mask:
    """Where a number is an extension, a feature code, an own number, or the device on its own channel."""
    extension = mask_of(pc.match_substring_regex(numbers, rf"^\d{{1,{longest}}}$"))
    withheld = mask_of(pc.match_substring_regex(numbers, r"^0+$"))
    feature = mask_of(pc.match_substring_regex(numbers, _FEATURE))
    device = pc.struct_field(pc.extract_regex(channel, r"^\w+/(?P<peer>[^/@-]+)-[0-9A-Fa-f;]+$"), "peer")
    at_device = mask_of(pc.equal(device, numbers)) & mask_of(pc.match_substring_regex(numbers, r"^\d{1,8}$"))
    return (extension & ~withheld) | feature | at_device | own_phones(normalised, own)


def _directions(text: dict[str, pa.Array], from_inside: Mask, to_inside: Mask) -> tuple[Mask, Mask]:
    """(inbound, internal). What the exchange itself says of a call goes before what its ends look like.

    With both ends outside (the company's own numbers not being declared), the dial plan's context decides.
    """
    stated = pc.utf8_lower(text["kind"])
    says = {word: mask_of(pc.equal(stated, word)) for word in ("inbound", "outbound", "internal")}
    unsaid = ~(says["inbound"] | says["outbound"] | says["internal"])
    to_outside = mask_of(pc.match_substring_regex(pc.utf8_lower(text["dcontext"]), _OUTBOUND))
    internal = says["internal"] | (unsaid & from_inside & to_inside)
    guessed = np.where(from_inside == to_inside, ~to_outside, to_inside)
    return says["inbound"] | (unsaid & guessed), internal
