"""Columns of a frame → columns of the contracts, whole columns at once, with a mask of what did not fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.amounts import parse_amounts
from customer360.connectors.frame import plain_text
from customer360.connectors.stamps import Stamps, localise, parse_stamps
from customer360.connectors.text import NULL_WORDS
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import Source

Mask = npt.NDArray[np.bool_]

_TRUE: Final = frozenset({"true", "t", "1", "yes", "y", "ja", "j", "wahr", "oui", "si", "sí", "x", "on", "是"})
_FALSE: Final = frozenset({"false", "f", "0", "no", "n", "nein", "falsch", "non", "off", "否"})
_NULLS: Final = pa.array(sorted(NULL_WORDS))
_ISO_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?)?")
_DST_FLAGS: Final = ("", "dst_ambiguous", "dst_gap")


def as_text(column: pa.Array) -> pa.Array:
    """Trimmed text; empty and null words are null; whole floats lose their '.0'; lists are joined by ';'."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    if pa.types.is_floating(kind):
        return _float_text(column)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "true", "false")
    if pa.types.is_nested(kind):
        return pa.array([plain_text(value) for value in column.to_pylist()], pa.string())
    if not _is_text(kind):
        return column.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.is_in(pc.utf8_lower(trimmed), _NULLS), pa.scalar(None, pa.string()), trimmed)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_unicode(kind) or pa.types.is_large_unicode(kind) or pa.types.is_string_view(kind))


def _float_text(column: pa.Array) -> pa.Array:
    """Whole numbers by their digits: 13800138000.0 is a phone number, not 1.38e+10. NaN is null."""
    numbers = column.cast(pa.float64())
    numbers = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
    whole = pc.and_(pc.equal(numbers, pc.round(numbers)), pc.less(pc.abs(numbers), 2.0**53))
    digits = pc.if_else(whole, numbers, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, digits, numbers.cast(pa.string()))


def join_texts(columns: Sequence[pa.Array], separator: str) -> pa.Array:
    """Texts of each row joined, nulls left out; null where all are.

    (Arrow's own join with null_handling="skip" loses the rows in which every text is null.)
    """
    first = pa.repeat(pa.scalar(""), len(columns[0]))  # never null, so that no row is lost
    joined = pc.binary_join_element_wise(first, *columns, separator, null_handling="skip")
    texts = pc.utf8_slice_codeunits(joined, len(separator))
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), texts)


def convert(
    column: pa.Array,
    kind: pa.DataType,
    source: Source,
    *,
    form: str | None = None,
    zone: str | None = None,
    decimal_comma: bool = False,
) -> tuple[pa.Array, Mask]:
    """`column` as `kind`, and where a value was there that does not fit.

    `form` is a strptime form for stamps and dates; `zone` replaces the source's for them.
    """
    if pa.types.is_timestamp(kind):
        stamps = read_stamps(column, source, form, zone)
        return stamps.instant, stamps.unreadable
    if pa.types.is_date(kind):
        return _dates(column, source, form)
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        return _numbers(column, kind, decimal_comma)
    if pa.types.is_boolean(kind):
        return _booleans(column)
    return as_text(column), np.zeros(len(column), np.bool_)


def offsets(instants: pa.Array, source: Source, zone: str | None = None) -> pa.Array:
    """UTC offset in minutes that the source's zone has at each instant (int16)."""
    local = pc.local_timestamp(instants.cast(pa.timestamp("us", tz=zone or source.timezone.key)))
    naive = instants.cast(pa.timestamp("us"))
    minutes = pc.divide(pc.subtract(local, naive).cast(pa.int64()), 60_000_000)
    return minutes.cast(pa.int16())


def read_stamps(column: pa.Array, source: Source, form: str | None = None, zone: str | None = None) -> Stamps:
    """Stamps of any column: typed, text in any known form, or text in the strptime form `form`.

    `zone` replaces the source's for stamps that carry none. A whole ISO 8601 stamp is read beside `form`:
    spreadsheets deliver dates as dates in some rows and as text in others.
    """
    at = replace(source, timezone=ZoneInfo(zone)) if zone else source
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        instant = column.cast(TIMESTAMP)
        return Stamps(instant, offsets(instant, at), pa.nulls(len(column), pa.string()), _none(column))
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _local(column.cast(pa.timestamp("us"), safe=False), at.timezone, _none(column))
    text = as_text(column)
    if form is None:
        return parse_stamps(text, at)
    if "%z" in form:
        return _with_zone(text, form)
    naive, unreadable = _naive(text, form)
    return _local(naive, at.timezone, unreadable)


def _none(column: pa.Array) -> Mask:
    return np.zeros(len(column), np.bool_)


def _naive(text: pa.Array, form: str) -> tuple[pa.Array, Mask]:
    """By Arrow where writing the stamp again gives the same text; else, since Arrow takes 31 February
    for 3 March, by Python."""
    parsed = pc.strptime(text, format=form, unit="s", error_is_null=True)
    same = pc.equal(pc.strftime(parsed, format=form), text).fill_null(False)
    doubtful = pc.and_(pc.is_valid(text), pc.invert(same))
    if not pc.any(doubtful).as_py():
        return parsed.cast(pa.timestamp("us")), np.zeros(len(text), np.bool_)
    exact, unreadable = _each(pc.if_else(doubtful, text, pa.scalar(None, pa.string())), form)
    naive = pc.if_else(doubtful, exact, parsed.cast(pa.timestamp("us")))
    return naive, unreadable


def _local(naive: pa.Array, zone: ZoneInfo, unreadable: Mask) -> Stamps:
    missing = naive.is_null().to_numpy(zero_copy_only=False)
    wall = naive.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    micros, minutes, kinds = localise(wall, zone)
    flags = pa.DictionaryArray.from_arrays(pa.array(kinds, mask=missing | (kinds == 0)), pa.array(_DST_FLAGS))
    return Stamps(
        pa.array(micros, pa.int64(), mask=missing).cast(pa.timestamp("us")).cast(TIMESTAMP),
        pa.array(minutes, pa.int16(), mask=missing),
        flags.cast(pa.string()),
        unreadable,
    )


def _with_zone(text: pa.Array, form: str) -> Stamps:
    known = _read_distinct(text, form)
    found = [known.get(value) if value is not None else None for value in text.to_pylist()]
    minutes = [each and int((each.utcoffset() or timedelta()).total_seconds()) // 60 for each in found]
    instant = pa.array(found, TIMESTAMP)
    unreadable = pc.and_(text.is_valid(), instant.is_null()).to_numpy(zero_copy_only=False)
    return Stamps(instant, pa.array(minutes, pa.int16()), pa.nulls(len(text), pa.string()), unreadable)


def _each(text: pa.Array, form: str) -> tuple[pa.Array, Mask]:
    known = _read_distinct(text, form)
    naive = pa.array(
        [known.get(value) if value is not None else None for value in text.to_pylist()], pa.timestamp("us")
    )
    return naive, pc.and_(text.is_valid(), naive.is_null()).to_numpy(zero_copy_only=False)


def _read_distinct(text: pa.Array, form: str) -> dict[str, datetime | None]:
    """Every different text with its stamp; None where it is neither of `form` nor a whole ISO stamp."""
    known: dict[str, datetime | None] = {}
    for value in set(text.drop_null().to_pylist()):
        try:
            known[value] = datetime.strptime(value, form)
        except ValueError:
            iso = datetime.fromisoformat(value) if _ISO_NAIVE.fullmatch(value) else None
            known[value] = iso if "%z" not in form else None
    return known


def _dates(column: pa.Array, source: Source, form: str | None) -> tuple[pa.Array, Mask]:
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return column.cast(pa.date32()), np.zeros(len(column), np.bool_)
    utc = replace(source, timezone=ZoneInfo("UTC"))  # a day is a day: no zone moves it
    stamps = read_stamps(column, utc, form)
    return stamps.instant.cast(pa.timestamp("us")).cast(pa.date32(), safe=False), stamps.unreadable


def _numbers(column: pa.Array, kind: pa.DataType, decimal_comma: bool) -> tuple[pa.Array, Mask]:
    """Numbers as `kind`, rounded to its decimals; those too large for it do not fit."""
    if pa.types.is_floating(column.type):
        column = _float_text(column)
    if pa.types.is_decimal(column.type) or pa.types.is_integer(column.type):
        exact, unreadable = column, _none(column)
    else:
        exact, unreadable = parse_amounts(as_text(column), decimal_comma=decimal_comma)
    whole = pa.types.is_integer(kind)
    limit = 2 ** (kind.bit_width - 1) if whole else 10 ** (kind.precision - kind.scale)
    size = pc.abs(exact.cast(pa.float64()))
    misfit = unreadable | pc.greater_equal(size, float(limit)).fill_null(False).to_numpy(zero_copy_only=False)
    exact = pc.if_else(pa.array(misfit), pa.scalar(None, exact.type), exact)
    if whole:
        return pc.round(exact).cast(kind, safe=False), misfit
    return exact.cast(kind, safe=False), misfit


def _booleans(column: pa.Array) -> tuple[pa.Array, Mask]:
    if pa.types.is_boolean(column.type):
        return column, np.zeros(len(column), np.bool_)
    folded = pc.utf8_lower(as_text(column))
    true = pc.is_in(folded, pa.array(sorted(_TRUE)))
    known = pc.or_(true, pc.is_in(folded, pa.array(sorted(_FALSE))))
    unreadable = pc.and_(pc.is_valid(folded), pc.invert(known)).to_numpy(zero_copy_only=False)
    return pc.if_else(pc.and_(known, pc.is_valid(folded)), true, pa.scalar(None, pa.bool_())), unreadable
