"""Time stamps as sources write them → UTC instants, the offset they were written in, and DST flags.

Whole columns at once: ISO 8601 and RFC 2822 by Arrow, everything else once per distinct value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_tz
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.text import NULL_WORDS

if TYPE_CHECKING:
    from customer360.sources import Source

Micros = npt.NDArray[np.int64]

_SECOND: Final = 1_000_000
_QUARTER: Final = 900 * _SECOND  # zone rules change on quarters of an hour
_EPOCH: Final = datetime(1970, 1, 1)
_NO_OFFSET: Final = -(2**15)
_EARLIEST: Final = -2_208_988_800 * _SECOND  # 1900
_LATEST: Final = 4_102_444_800 * _SECOND  # 2100

_ISO = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?( ?(UTC|Z|[+-]\d\d:?\d\d))?$"
_ISO_ZONE = r"^.{19}(?:\.\d{1,6})? ?(?P<zone>(?:UTC|Z|[+-]\d\d:?\d\d)?)$"
_RFC = r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT|UTC)$"
_YEAR_LAST = r"^(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<c>\d{4}) (?P<h>\d{1,2}):(?P<m>\d\d)(?P<s>(?::\d\d)?)$"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH_DIGITS = re.compile(r"^-?(?:\d{9,10}|\d{12,13}|\d{15,16})(?:\.\d+)?$")
_COMPACT = re.compile(r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?$")
_NUMBERS = re.compile(
    r"^(?P<a>\d{1,4})(?P<sep>[/.-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})\.?"
    r"(?:,?[T ]\s*(?P<h>\d{1,2})[:.h](?P<m>\d\d)(?:[:.](?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?(?:\s*(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d))?$"
)
_NAMED = re.compile(
    r"^(?:[A-Za-z]{3,9},?\s+)?"
    r"(?:(?P<m1>[A-Za-z]{3,9})\.?\s+(?P<d1>\d{1,2}),?|(?P<d2>\d{1,2})[ -](?P<m2>[A-Za-z]{3,9})\.?)"
    r"[ ,-]\s*(?P<y>\d{4})(?:,?\s+(?:at\s+)?(?P<t>\d{1,2}:\d\d(?::\d\d)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"(?:\s*(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d))?$"
)


class Stamps(NamedTuple):
    """A column of instants. All four have the column's length."""

    instant: pa.Array  # timestamp[us, UTC]; null: empty or unreadable
    offset_minutes: pa.Array  # int16, of the stamp as written or of the source's zone; null for epochs
    flags: pa.Array  # string: null, dst_ambiguous (taken as the first of two) or dst_gap (moved forward)
    unreadable: npt.NDArray[np.bool_]  # had a text that is no stamp (or lies outside 1900–2099)


def parse_stamps(values: Sequence[str | None] | pa.Array, source: Source) -> Stamps:
    """Read a column of stamps; those without a zone are local to `source.timezone`.

    Forms: ISO 8601, RFC 2822, epoch in s, ms or µs (told by the number of digits), YYYYMMDDhhmmss,
    numeric dates with the year first, or last by `source.date_order` ('ymd' leaves a year-last stamp
    unreadable, except dotted ones, which are day first), English month names; 12-hour clocks.
    """
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    column = pc.utf8_trim_whitespace(column)
    naive, offset, known = _read_column(column, source.date_order)
    return _finish(column, naive, offset, known, source.timezone)


def parse_epoch(values: npt.ArrayLike, unit: str = "s") -> pa.Array:
    """Numbers of seconds ('s'), 'ms' or 'us' since 1970 → timestamp[us, UTC]; NaN → null."""
    numbers = np.asarray(values, dtype=np.float64)
    factor = {"s": _SECOND, "ms": 1000, "us": 1}[unit]
    missing = ~np.isfinite(numbers)
    micros = np.where(missing, 0, np.rint(numbers * factor)).astype(np.int64)
    return _instants(micros, missing)


def localise(naive: Micros, zone: ZoneInfo) -> tuple[Micros, npt.NDArray[np.int16], npt.NDArray[np.int8]]:
    """Local wall-clock micros in `zone` → (UTC micros, offset minutes, 0 | 1 ambiguous | 2 gap).

    The hour that occurs twice is taken as the first; a time the clock skips is read with the offset
    before the change, which moves it forward by the gap.
    """
    quarters, where = np.unique(np.floor_divide(naive, _QUARTER), return_inverse=True)
    offsets = np.empty(len(quarters), np.int64)
    kinds = np.zeros(len(quarters), np.int8)
    for i, quarter in enumerate(quarters.tolist()):
        first, second = _offsets(quarter, zone)
        offsets[i] = first
        kinds[i] = 0 if first == second else (1 if first > second else 2)
    offset = offsets[where]
    return naive - offset, np.rint(offset / (60 * _SECOND)).astype(np.int16), kinds[where]


@lru_cache(maxsize=262_144)
def _offsets(quarter: int, zone: ZoneInfo) -> tuple[int, int]:
    """UTC offsets (µs) of the local quarter hour, read as the first and as the second of its kind."""
    wall = (_EPOCH + timedelta(microseconds=quarter * _QUARTER)).replace(tzinfo=zone)
    first, second = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    one = timedelta(microseconds=1)
    return (first or timedelta()) // one, (second or timedelta()) // one


def read_stamp(text: str, date_order: str = "ymd") -> tuple[int, int | None, bool]:
    """One stamp → (micros since 1970 as written, offset in seconds if it states one, is an epoch).

    Raises ValueError for anything that is not a stamp, or a day that does not exist.
    """
    text = " ".join(text.split())
    if _EPOCH_DIGITS.match(text):
        return _read_epoch(text), 0, True
    compact = _COMPACT.match(text)
    if compact:
        return _micros(datetime(*(int(part or 0) for part in compact.groups()))), None, False  # type: ignore[arg-type]  # six ints
    stamp = _read_iso(text) or _read_numbers(text, date_order) or _read_named(text) or _read_rfc(text)
    if stamp is None:
        raise ValueError("not a time stamp")
    return stamp[0], stamp[1], False


_Read = tuple[int, int | None] | None


def _micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)


def _read_epoch(text: str) -> int:
    whole, _, fraction = text.partition(".")
    digits = len(whole.lstrip("-"))
    if digits <= 10:
        micros = int((fraction + "000000")[:6])
        return int(whole) * _SECOND + (-micros if text.startswith("-") else micros)
    return int(whole) * (1000 if digits <= 13 else 1)


def _read_iso(text: str) -> _Read:
    cleaned = re.sub(r"\s*(?:UTC|GMT)$", "+00:00", text)
    cleaned = re.sub(r"(?<=\d)\s+(?=[+-]\d\d:?\d\d$)", "", cleaned)
    cleaned = re.sub(r"(:\d\d[.,]\d{6})\d+", r"\1", cleaned).replace(",", ".")
    if not re.match(r"^\d{4}-?\d\d-?\d\d", cleaned):
        return None
    try:
        moment = datetime.fromisoformat(cleaned)
    except ValueError:
        return None
    offset = moment.utcoffset()
    return _micros(moment), None if offset is None else int(offset.total_seconds())


def _read_numbers(text: str, date_order: str) -> _Read:
    match = _NUMBERS.match(text)
    if match is None:
        return None
    day = _ymd(match["a"], match["b"], match["c"], match["sep"], date_order)
    hour = _hour(int(match["h"] or 0), match["half"])
    fraction = int(((match["f"] or "") + "000000")[:6])
    moment = datetime(day.year, day.month, day.day, hour, int(match["m"] or 0), int(match["s"] or 0), fraction)
    return _micros(moment), _zone_seconds(match["zone"])


def _ymd(a: str, b: str, c: str, separator: str, date_order: str) -> date:
    if len(a) == 4:
        return date(int(a), int(b), int(c))
    if date_order == "ymd" and separator != ".":
        if len(c) == 4:
            raise ValueError("date_order does not say which is the day")
        return date(_century(a), int(b), int(c))
    day, month = (b, a) if date_order == "mdy" else (a, b)
    return date(_century(c), int(month), int(day))


def _century(year: str) -> int:
    """Two digits: 69–99 are the 1900s, 00–68 the 2000s (POSIX strptime)."""
    number = int(year)
    return number if len(year) > 2 else number + (1900 if number >= 69 else 2000)


def _hour(hour: int, half: str | None) -> int:
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("no hour of a 12-hour clock")
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _read_named(text: str) -> _Read:
    match = _NAMED.match(text)
    if match is None:
        return None
    name = (match["m1"] or match["m2"])[:3].title()
    if name not in _MONTHS:
        return None
    parts = [int(part) for part in (match["t"] or "0:00").split(":")]
    hour, minute, second = _hour(parts[0], match["half"]), parts[1], parts[2] if len(parts) > 2 else 0
    day = int(match["d1"] or match["d2"])
    moment = datetime(int(match["y"]), _MONTHS.index(name) + 1, day, hour, minute, second)
    return _micros(moment), _zone_seconds(match["zone"])


def _read_rfc(text: str) -> _Read:
    parts = parsedate_tz(text) if re.search(r"[A-Za-z]{3}", text) else None
    if parts is None:
        return None
    return _micros(datetime(*parts[:6])), parts[9]


@lru_cache(maxsize=1024)
def _zone_seconds(zone: str | None) -> int | None:
    """'+01:00', '-0500', 'Z', 'UTC', 'GMT' → seconds east; None or '' → None."""
    if not zone:
        return None
    if zone in {"Z", "UTC", "GMT"}:
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


_Column = tuple[Micros, npt.NDArray[np.float64], npt.NDArray[np.int8]]
_MISSING, _LOCAL, _STATED, _INSTANT, _UNREADABLE = range(5)


def _read_column(column: pa.Array, date_order: str) -> _Column:
    """(micros as written, stated offset in s or NaN, one of the five states) for every value."""
    if len(column) > 1000:
        shapes: list[tuple[str, Callable[[pa.Array], _Column]]] = [(_ISO, _iso_column), (_RFC, _rfc_column)]
        if date_order != "ymd":
            shapes.append((_YEAR_LAST, partial(_year_last_column, date_order=date_order)))
        for shape, read in shapes:
            fits = pc.match_substring_regex(column, shape)
            if pc.all(fits, skip_nulls=True, min_count=0).as_py():
                try:
                    return read(column)
                except pa.ArrowInvalid:
                    break  # a day or hour that does not exist: find out which, value by value
    return _each(column, date_order)


def _iso_column(column: pa.Array) -> _Column:
    zone = pc.struct_field(pc.extract_regex(column, _ISO_ZONE), "zone")
    body = pc.utf8_slice_codeunits(column, 0, 26)
    body = pc.utf8_rtrim(pc.replace_substring_regex(body, r"[ ]?(UTC|Z|[+-]\d\d:?\d*)$", ""), " ")
    return _with_zone(body, zone)


def _rfc_column(column: pa.Array) -> _Column:
    ascii_text = column.cast(pa.binary())  # its shape says so, and bytes are cut faster

    def part(start: int, stop: int) -> pa.Array:
        return pc.binary_slice(ascii_text, start, stop).cast(pa.string())

    month = pc.index_in(part(8, 11), pa.array(_MONTHS))
    number = pc.take(pa.array([f"{i:02d}" for i in range(1, 13)]), month)
    day = pc.binary_join_element_wise(part(12, 16), number, part(5, 7), "-")
    return _with_zone(pc.binary_join_element_wise(day, part(17, 25), " "), part(26, 31))


def _year_last_column(column: pa.Array, date_order: str) -> _Column:
    parts = pc.extract_regex(column, _YEAR_LAST)

    def part(name: str) -> pa.Array:
        return pc.utf8_lpad(pc.struct_field(parts, name), 2, "0")

    day, month = (part("b"), part("a")) if date_order == "mdy" else (part("a"), part("b"))
    seconds = pc.utf8_replace_slice(pc.utf8_rpad(pc.struct_field(parts, "s"), 3, "0"), 0, 1, ":")
    clock = pc.binary_join_element_wise(part("h"), pc.binary_join_element_wise(part("m"), seconds, ""), ":")
    body = pc.binary_join_element_wise(part("c"), month, day, "-")
    body = pc.binary_join_element_wise(body, clock, " ")
    return _with_zone(body, pa.nulls(len(column), pa.string()))


def _with_zone(body: pa.Array, zone: pa.Array) -> _Column:
    """Bodies of ISO form with their zones apart. Raises ArrowInvalid for a day that does not exist."""
    missing = body.is_null().to_numpy(zero_copy_only=False)
    instants = body.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    encoded = zone.fill_null("").dictionary_encode()
    seconds = [_zone_seconds(text) for text in encoded.dictionary.to_pylist()]
    table = np.array([np.nan if value is None else value for value in seconds] or [np.nan], np.float64)
    offset = table[encoded.indices.to_numpy(zero_copy_only=False)] if len(seconds) else np.empty(0)
    state = np.where(missing, _MISSING, np.where(np.isnan(offset), _LOCAL, _STATED)).astype(np.int8)
    return instants.astype(np.int64), offset, state


def _each(column: pa.Array, date_order: str) -> _Column:
    encoded = column.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    micros = np.zeros(len(distinct) + 1, np.int64)
    offset = np.full(len(distinct) + 1, np.nan)
    state = np.full(len(distinct) + 1, _MISSING, np.int8)  # the last place stands for null
    for i, text in enumerate(distinct):
        if text.lower() in NULL_WORDS:
            continue
        try:
            read = read_stamp(text, date_order)
        except (ValueError, OverflowError):
            state[i] = _UNREADABLE
            continue
        micros[i] = read[0]
        if read[1] is not None:
            offset[i] = read[1]
        state[i] = _INSTANT if read[2] else (_LOCAL if read[1] is None else _STATED)
    where = encoded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return micros[where], offset[where], state[where]


def _finish(
    column: pa.Array,
    naive: Micros,
    offset: npt.NDArray[np.float64],
    state: npt.NDArray[np.int8],
    zone: ZoneInfo,
) -> Stamps:
    minutes = np.full(len(column), _NO_OFFSET, np.int16)
    flags = np.zeros(len(column), np.int8)
    micros = naive.copy()
    stated = state == _STATED
    micros[stated] -= (offset[stated] * _SECOND).astype(np.int64)
    minutes[stated] = np.rint(offset[stated] / 60).astype(np.int16)
    local = state == _LOCAL
    if local.any():
        micros[local], minutes[local], flags[local] = localise(naive[local], zone)
    readable = (state != _MISSING) & (state != _UNREADABLE)
    outside = readable & ((micros < _EARLIEST) | (micros >= _LATEST))
    unreadable = (state == _UNREADABLE) | outside
    words = pa.DictionaryArray.from_arrays(pa.array(flags, mask=flags == 0), pa.array(["", "dst_ambiguous", "dst_gap"]))
    return Stamps(
        instant=_instants(micros, ~readable | outside),
        offset_minutes=pa.array(minutes, pa.int16(), mask=minutes == _NO_OFFSET),
        flags=words.cast(pa.string()),
        unreadable=unreadable,
    )


def _instants(micros: Micros, missing: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(micros, pa.int64(), mask=missing).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz=UTC))
