"""Rows of a call record → calls: which rows belong together, which one leads, how it ended, how long they spoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.parties import mask_of
from customer360.connectors.stamps import Stamps

Ints = npt.NDArray[np.int64]

_OUTCOMES: Final = {"no answer": "no_answer", "noanswer": "no_answer"}
# A call that any of its legs answered was answered; else the most telling of its ends stands.
_RANK: Final = {"answered": 5, "busy": 4, "no_answer": 3, "congestion": 2, "failed": 1}


@dataclass(slots=True)
class Calls:
    """One entry a call, in file order of the calls' leading rows, but `collapsed`."""

    lead: Ints  # index of the leading row: where the call began
    call_id: pa.Array
    row_number: pa.Array
    text: dict[str, pa.Array]  # the leading rows' columns
    outcome: pa.Array
    talk_s: Ints  # seconds in which at least one leg was answered
    collapsed: dict[int, int]  # row number of a kept record → how many it absorbed


def group_calls(text: dict[str, pa.Array], stamps: Stamps, row_number: Sequence[int], known: dict[str, int]) -> Calls:
    """Calls of the rows that have a start. Rows of calls in `known` (id → row number) are absorbed by those;
    new calls are added to it."""
    numbers = np.asarray(row_number, np.int64)
    usable = np.flatnonzero(mask_of(pc.is_valid(stamps.instant)))
    ids = _call_ids(text, numbers)
    collapsed: dict[int, int] = {}
    if known and len(usable):
        before = mask_of(pc.is_in(ids, pa.array(list(known), pa.string())))[usable]
        for index in usable[before].tolist():
            kept = known[ids[index].as_py()]
            collapsed[kept] = collapsed.get(kept, 0) + 1
        usable = usable[~before]
    starts = stamps.instant.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    codes = ids.take(pa.array(usable)).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    own_id = mask_of(pc.equal(text["uniqueid"], text["linkedid"]))
    # Within a call: the row of the channel that began it, then the earliest start, then file order.
    order = np.lexsort((usable, starts[usable], ~own_id[usable], codes))
    rows, sorted_codes = usable[order], codes[order]
    first = np.flatnonzero(np.r_[True, sorted_codes[1:] != sorted_codes[:-1]]) if len(rows) else np.zeros(0, np.intp)
    sizes = np.diff(np.r_[first, len(rows)]) if len(rows) else np.zeros(0, np.intp)
    talk, outcomes = _legs(text, starts, rows, first, sizes)
    place = np.argsort(rows[first], kind="stable")
    lead = rows[first][place]
    for row, size in zip(numbers[lead].tolist(), sizes[place].tolist(), strict=True):
        if size > 1:
            collapsed[row] = size - 1
    at = pa.array(lead)
    call_id = ids.take(at)
    known.update(zip(call_id.to_pylist(), numbers[lead].tolist(), strict=True))
    return Calls(
        lead,
        call_id,
        pa.array(numbers[lead]),
        {name: column.take(at) for name, column in text.items()},
        outcomes.take(pa.array(place)),
        talk[place],
        collapsed,
    )


def _call_ids(text: dict[str, pa.Array], numbers: Ints) -> pa.Array:
    """linkedid, else unique id. In exports without either ('0' throughout) every row is a call."""
    zero = pa.array(["0", "-1"])
    linked, unique = (
        pc.if_else(pc.is_in(text[name], zero), pa.scalar(None, pa.string()), text[name])
        for name in ("linkedid", "uniqueid")
    )
    parts = [text["start"], text["src"], text["dst"], pa.array(numbers).cast(pa.string())]
    made = pc.binary_join_element_wise(*parts, "|", null_handling="replace", null_replacement="")
    return pc.coalesce(linked, unique, made)


def _legs(text: dict[str, pa.Array], starts: Ints, rows: Ints, first: Ints, sizes: Ints) -> tuple[Ints, pa.Array]:
    """(talk seconds, outcome) of each call; `rows` are sorted by call, `first` and `sizes` delimit them."""
    billed, lasted = seconds(text["billsec"])[rows], seconds(text["duration"])[rows]
    words = _outcomes(text["disposition"]).take(pa.array(rows)).dictionary_encode()
    talk = billed[first]
    codes = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names = words.dictionary.to_pylist()
    ends = codes[first].copy()
    for call in np.flatnonzero(sizes > 1).tolist():
        legs = slice(first[call], first[call] + sizes[call])
        ends[call] = max(codes[legs].tolist(), key=lambda code: _RANK.get(names[code], 0) if code >= 0 else -1)
        close = starts[rows[legs]] // 1_000_000 + np.maximum(lasted[legs], billed[legs])
        talk[call] = _covered(sorted(zip((close - billed[legs]).tolist(), close.tolist(), strict=True)))
    return talk, pa.array(names, pa.string()).take(pa.array(ends, mask=ends < 0))


def _covered(spans: list[tuple[int, int]]) -> int:
    """Length of the union of sorted intervals: legs that ran side by side count once."""
    total, until = 0, spans[0][0]
    for begin, end in spans:
        total += max(0, end - max(begin, until))
        until = max(until, end)
    return total


def _outcomes(disposition: pa.Array) -> pa.Array:
    encoded = pc.utf8_lower(disposition).dictionary_encode()
    words = [_OUTCOMES.get(word, word.replace(" ", "_")) for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(encoded.indices)


def seconds(column: pa.Array) -> Ints:
    """'27' or '0:00:27' → 27; what is missing or no length of time → 0."""
    encoded = column.dictionary_encode()
    lengths = [_seconds(text) for text in encoded.dictionary.to_pylist()]
    table = np.array([*lengths, 0], np.int64)  # the last place stands for null
    places = encoded.indices.fill_null(len(lengths)).to_numpy(zero_copy_only=False)
    return table[np.asarray(places, np.intp)]


def _seconds(text: str) -> int:
    parts = text.split(":")
    if not all(part.replace(".", "", 1).isdigit() for part in parts):
        return 0
    return int(sum(float(part) * 60**place for place, part in enumerate(reversed(parts))))
