"""Columns of a frame → columns of the contracts, whole columns at once, with a mask of what did not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.amounts import parse_amounts
from customer360.connectors.stamps import localise, parse_stamps
from customer360.connectors.text import NULL_WORDS
from customer360.contracts import MONEY, TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import Source

Mask = npt.NDArray[np.bool_]

_TRUE: Final = frozenset({"true", "t", "1", "yes", "y", "ja", "j", "wahr", "oui", "si", "sí", "x", "on", "是"})
_FALSE: Final = frozenset({"false", "f", "0", "no", "n", "nein", "falsch", "non", "off", "否"})
_NULLS: Final = pa.array(sorted(NULL_WORDS))
_EXCEL_FLOAT: Final = r"^(-?\d+)\.0+$"


def as_text(column: pa.Array) -> pa.Array:
    """Trimmed text; empty and null words are null; whole floats lose their '.0'."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_floating(column.type):
        text = column.cast(pa.string())
        return pc.replace_substring_regex(text, _EXCEL_FLOAT, r"\1")
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "true", "false")
    if not pa.types.is_string(column.type):
        return column.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(pc.utf8_lower(trimmed), _NULLS), pa.scalar(None, pa.string()), trimmed)


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
        return _stamps(column, source, form, zone)
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


def _stamps(column: pa.Array, source: Source, form: str | None, zone: str | None) -> tuple[pa.Array, Mask]:
    at = replace(source, timezone=ZoneInfo(zone)) if zone else source
    none = np.zeros(len(column), np.bool_)
    if pa.types.is_timestamp(column.type):
        if column.type.tz is not None:
            return column.cast(TIMESTAMP), none
        return _local(column.cast(pa.timestamp("us")), at.timezone), none
    if pa.types.is_date(column.type):
        return _local(column.cast(pa.timestamp("us")), at.timezone), none
    text = as_text(column)
    if form is None:
        stamps = parse_stamps(text, at)
        return stamps.instant, stamps.unreadable
    if "%z" in form:
        return _each(text, form)
    naive, unreadable = _naive(text, form)
    return _local(naive, at.timezone), unreadable


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


def _local(naive: pa.Array, zone: ZoneInfo) -> pa.Array:
    missing = naive.is_null().to_numpy(zero_copy_only=False)
    micros, _, _ = localise(naive.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), zone)
    return pa.array(micros, pa.int64(), mask=missing).cast(pa.timestamp("us")).cast(TIMESTAMP)


def _each(text: pa.Array, form: str) -> tuple[pa.Array, Mask]:
    known: dict[str, datetime | None] = {}
    for value in set(text.drop_null().to_pylist()):
        try:
            known[value] = datetime.strptime(value, form)
        except ValueError:
            known[value] = None
    values = text.to_pylist()
    unreadable = np.fromiter((v is not None and known[v] is None for v in values), np.bool_, len(values))
    kind = TIMESTAMP if "%z" in form else pa.timestamp("us")
    return pa.array([known.get(value) if value is not None else None for value in values], kind), unreadable


def _dates(column: pa.Array, source: Source, form: str | None) -> tuple[pa.Array, Mask]:
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return column.cast(pa.date32()), np.zeros(len(column), np.bool_)
    utc = replace(source, timezone=ZoneInfo("UTC"))  # a day is a day: no zone moves it
    instants, unreadable = _stamps(column, utc, form, None)
    return instants.cast(pa.timestamp("us")).cast(pa.date32(), safe=False), unreadable


def _numbers(column: pa.Array, kind: pa.DataType, decimal_comma: bool) -> tuple[pa.Array, Mask]:
    none = np.zeros(len(column), np.bool_)
    if pa.types.is_decimal(column.type) or pa.types.is_integer(column.type):
        return column.cast(kind, safe=False), none
    if pa.types.is_floating(column.type):
        return pc.round(column, 6).cast(MONEY, safe=False).cast(kind, safe=False), none
    amounts = parse_amounts(as_text(column).to_pylist(), decimal_comma=decimal_comma)
    if pa.types.is_integer(kind):
        return pc.round(amounts.value).cast(kind, safe=False), amounts.unreadable
    return amounts.value.cast(kind, safe=False), amounts.unreadable


def _booleans(column: pa.Array) -> tuple[pa.Array, Mask]:
    if pa.types.is_boolean(column.type):
        return column, np.zeros(len(column), np.bool_)
    folded = pc.utf8_lower(as_text(column))
    true = pc.is_in(folded, pa.array(sorted(_TRUE)))
    known = pc.or_(true, pc.is_in(folded, pa.array(sorted(_FALSE))))
    unreadable = pc.and_(pc.is_valid(folded), pc.invert(known)).to_numpy(zero_copy_only=False)
    return pc.if_else(pc.and_(known, pc.is_valid(folded)), true, pa.scalar(None, pa.bool_())), unreadable
