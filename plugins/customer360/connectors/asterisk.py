"""Asterisk call records: cdr_csv (accountcode first), cdr_custom (clid first), FreePBX, MySQL and UCM exports.

The order of columns is found from the content: the unique id has a form of its own. All rows of one
call (linkedid, else unique id) are one interaction. The epoch inside the unique id tells whether the
source's time zone is right; rows of a file where it is not are flagged `zone_mismatch`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyarrow as pa

from customer360 import normalise
from customer360.connectors.base import Batch, Delivery, UnreadableFile, register, table
from customer360.connectors.stamps import parse_stamps
from customer360.connectors.text import Records, fold, open_csv

if TYPE_CHECKING:
    from customer360.connectors.base import InputFile
    from customer360.sources import OwnIdentities, Source

_UNIQUE: Final = re.compile(r"^(?:[\w.-]+-)?(\d{9,10})\.\d+$")
_CLID: Final = re.compile(r'^\s*"*(?P<name>[^"<]*?)"*\s*(?:<(?P<number>[^>]*)>)?\s*$')
_CDR: Final = (
    "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start answer end duration billsec"
    " disposition amaflags uniqueid userfield peeraccount linkedid sequence"
).split()
_CUSTOM: Final = (
    "clid src dst dcontext channel dstchannel lastapp lastdata start answer end duration billsec disposition"
    " amaflags accountcode uniqueid userfield sequence"
).split()
_FREEPBX: Final = (
    "start clid src dst dcontext channel dstchannel lastapp lastdata duration billsec disposition amaflags accountcode"
    " uniqueid userfield did recordingfile cnum cnam outbound_cnum outbound_cnam dst_cnam peeraccount linkedid"
).split()
# Other names of the same columns, folded, in files with a header.
_ALIASES: Final = {
    "start": ("start", "calldate", "starttime", "datetime"),
    "src": ("src", "callernumber", "calleridnumber", "callerid_number"),
    "dst": ("dst", "calleenumber", "destination"),
    "dcontext": ("dcontext", "context"),
    "clid": ("clid", "callerid", "callername"),
    "billsec": ("billsec", "talktime"),
    "duration": ("duration", "calltime"),
    "disposition": ("disposition",),
    "uniqueid": ("uniqueid",),
    "linkedid": ("linkedid", "session"),
    "userfield": ("userfield",),
    "channel": ("channel", "sourcechannel"),
    "lastapp": ("lastapp",),
}
_OUTCOMES: Final = {
    "answered": "answered",
    "no answer": "no_answer",
    "noanswer": "no_answer",
    "busy": "busy",
    "failed": "failed",
    "congestion": "congestion",
}


@register
class AsteriskCdr:
    """See the module's text."""

    name: ClassVar[str] = "asterisk_cdr"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "pbx"
    options: ClassVar[frozenset[str]] = frozenset({"extension_digits"})  # longest internal number, 5 by default

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file. Raises UnreadableFile('unknown_format')."""
        for file in delivery.files:
            for rows in _chunks(file, source):
                yield _batch(rows, source, own)


def _chunks(file: InputFile, source: Source) -> Iterator[Records]:
    records = open_csv(file, source.encoding, delimiter=None)
    sample = records.sample()
    if not sample:
        raise UnreadableFile("empty", "no records")
    first = {fold(cell) for cell in sample[0]}
    if "uniqueid" in first and first & {"disposition", "billsec", "talktime"}:
        yield from records.chunks(min_width=max(1, len(sample[0]) - 3))
        return
    header = _layout(sample)
    widths = Counter(len(cells) for cells in sample)
    width = widths.most_common(1)[0][0]
    named = [*header, *(f"extra_{place}" for place in range(max(0, width - len(header))))]
    yield from records.chunks(named[:width], min_width=min(16, width))


def _layout(sample: Sequence[Sequence[str]]) -> list[str]:
    """Names of the columns of a file without header, by where the unique id stands."""
    places: Counter[int] = Counter()
    for cells in sample:
        found = next((place for place, cell in enumerate(cells) if place >= 10 and _UNIQUE.match(cell)), None)
        if found is not None:
            places[found] += 1
    place = places.most_common(1)[0][0] if places else None
    width = max(len(cells) for cells in sample)
    if place == _FREEPBX.index("uniqueid") and width >= 19:
        return _FREEPBX
    if place == _CDR.index("uniqueid"):
        # Both orders have the id in this place: the caller id with its <number> tells them apart.
        first = sum(bool(re.search(r"<[^>]*>", cells[0])) for cells in sample)
        fifth = sum(len(cells) > 4 and bool(re.search(r"<[^>]*>", cells[4])) for cells in sample)
        return _CUSTOM if first > fifth else _CDR
    if place is None and width in (16, 17):  # without loguniqueid
        return _CDR
    raise UnreadableFile("unknown_format", f"{width} columns, unique id in place {place}")


@dataclass(slots=True)
class _Call:
    """Rows of one call, the first one leading."""

    rows: list[int]


def _batch(rows: Records, source: Source, own: OwnIdentities) -> Batch:
    values = {name: rows.values(*aliases) for name, aliases in _ALIASES.items()}
    stamps = parse_stamps(values["start"], source)
    bad = stamps.unreadable | stamps.instant.is_null().to_numpy(zero_copy_only=False)
    rejected = [*rows.rejected, *rows.reject(bad, "bad_timestamp", "start")]
    keep = [index for index in range(len(rows)) if not bad[index]]
    calls: dict[str, _Call] = {}
    for index in keep:
        calls.setdefault(_call_id(values, rows, index), _Call([])).rows.append(index)
    mismatch = _zone_mismatch(values, stamps.instant, keep)
    longest = int(source.options.get("extension_digits", 5))
    built = [_interaction(call_id, call, values, rows, source, own, longest) for call_id, call in calls.items()]
    lead = pa.array([call.rows[0] for call in calls.values()], pa.int64())
    tables = {}
    if built:
        columns: dict[str, Any] = {name: [row[name] for row, _ in built] for name in built[0][0]}
        columns["occurred_at"] = stamps.instant.take(lead)
        columns["utc_offset_minutes"] = stamps.offset_minutes.take(lead)
        dst = stamps.flags.take(lead).to_pylist()
        columns["flags"] = [
            ",".join(each for each in ("zone_mismatch" if mismatch else None, flag) if each) or None for flag in dst
        ]
        tables["interaction"] = table("interaction", columns)
        tables["identifier"] = _identifiers(built)
    collapsed = {rows.row_number[call.rows[0]]: len(call.rows) - 1 for call in calls.values() if len(call.rows) > 1}
    return Batch(rows.rows_read, tables, rejected, collapsed)


def _call_id(values: dict[str, list[str | None]], rows: Records, index: int) -> str:
    """linkedid, else unique id; exports without either ('all ids are 0') count every row as a call."""
    for name in ("linkedid", "uniqueid"):
        found = values[name][index]
        if found and found != "0":
            return found
    return f"{values['start'][index]}|{values['src'][index]}|{values['dst'][index]}|{rows.row_number[index]}"


def _interaction(
    call_id: str,
    call: _Call,
    values: dict[str, list[str | None]],
    rows: Records,
    source: Source,
    own: OwnIdentities,
    longest: int,
) -> tuple[dict[str, object], tuple[str, int, normalise.Normalised | None]]:
    lead = call.rows[0]
    name, number = _caller(values["clid"][lead])
    src, dst = values["src"][lead] or number, values["dst"][lead]
    inside = _is_inside(src, source, own, longest), _is_inside(dst, source, own, longest)
    context = (values["dcontext"][lead] or "").lower() + (values["userfield"][lead] or "").lower()
    direction = _direction(*inside, context)
    outside, company = (src, dst) if direction == "inbound" else (dst, src)
    party = normalise.phone(outside, source.phone_region) if direction != "internal" else None
    outcomes = [_OUTCOMES.get((values["disposition"][index] or "").lower(), "unknown") for index in call.rows]
    answered = "answered" in outcomes
    row = {
        "source_record_id": call_id,
        "row_number": rows.row_number[lead],
        "channel": "phone",
        "direction": direction,
        "event_name": "call",
        "company_side": company,
        "duration_s": sum(_seconds(values["billsec"][index]) for index in call.rows),
        "outcome": "answered" if answered else outcomes[-1],
        "interaction_class": "internal" if direction == "internal" else "person",
        "is_touch": direction == "inbound",
        "name_hint": name if direction == "inbound" and name and not name.replace("+", "").isdigit() else None,
    }
    return row, (call_id, rows.row_number[lead], party)


def _direction(source_inside: bool, destination_inside: bool, context: str) -> str:
    if "outbound" in context:
        return "outbound"
    if "inbound" in context and not source_inside:
        return "inbound"
    if source_inside and destination_inside:
        return "internal"
    return "outbound" if source_inside else "inbound"


def _is_inside(number: str | None, source: Source, own: OwnIdentities, longest: int) -> bool:
    """An extension, an own number, or no number at all but a feature (`s`, `h`, `*97`)."""
    if not number:
        return False
    if number.isdigit() and len(number) <= longest:
        return True
    known = normalise.phone(number, source.phone_region)
    return (known.value is not None and own.owns_phone(known.value)) or bool(re.match(r"^[*#a-z]", number))


def _caller(clid: str | None) -> tuple[str | None, str | None]:
    """(name, number) of a caller id such as '"Name" <number>'; wrong quoting is forgiven."""
    match = _CLID.match(clid or "")
    if match is None:
        return None, None
    return match["name"].strip() or None, match["number"] or None


def _identifiers(built: list[tuple[dict[str, object], tuple[str, int, normalise.Normalised | None]]]) -> pa.Table:
    found = [(call_id, number, party) for _, (call_id, number, party) in built if party is not None and party.value]
    return table(
        "identifier",
        {
            "source_record_id": [call_id for call_id, _, _ in found],
            "row_number": [number for _, number, _ in found],
            "record_kind": ["interaction"] * len(found),
            "identifier_type": ["handle" if party.kind == "alpha_sender" else "phone" for _, _, party in found],
            "identifier_value": [party.value for _, _, party in found],
            "is_valid": [party.is_valid for _, _, party in found],
        },
    )


def _zone_mismatch(values: dict[str, list[str | None]], instants: pa.Array, keep: list[int]) -> bool:
    """Whether the epoch in the unique ids differs from the stamps by the same quarter hours all along."""
    offsets: Counter[int] = Counter()
    micros = instants.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    for index in keep:
        match = _UNIQUE.match(values["uniqueid"][index] or "")
        if match:
            offsets[round((micros[index] / 1e6 - int(match[1])) / 900)] += 1
    if not offsets:
        return False
    offset, count = offsets.most_common(1)[0]
    return bool(offset != 0 and count > 0.9 * sum(offsets.values()))


def _seconds(text: str | None) -> int:
    """'27', '0:00:27' or nothing → seconds."""
    if not text:
        return 0
    parts = text.split(":")
    return (
        int(sum(float(part) * 60**place for place, part in enumerate(reversed(parts))))
        if all(part.replace(".", "", 1).isdigit() for part in parts)
        else 0
    )
