"""Amounts of money and counts as people and exports write them → exact decimals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.text import NULL_WORDS
from customer360.contracts import MONEY

_DASHES: Final = frozenset({"-", "–", "—", "--", "---"})
_SIGNS: Final = {"€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₩": "KRW", "zł": "PLN", "US$": "USD"}
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_SPACES = re.compile(r"[\s\u00a0\u202f\u2009'’_]")
_CURRENCY = r"(?:[^\W\d_]{1,3}\.?[$€£¥₹₽₩]?|[$€£¥₹₽₩])"
_AMOUNT = re.compile(
    rf"^(?P<open>\()?(?P<sign>[-+−])?{_CURRENCY}?(?P<inner>[-+−])?"
    rf"(?P<number>[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?){_CURRENCY}?(?P<last>[-−])?(?P<close>\))?$"
)
_NUMBER = re.compile(r"^\d*\.?\d+(?:[eE][+-]?\d+)?$|^\d+\.$")
_GROUPED = re.compile(r"^\d{1,3}(?:[.,]\d{3})+$")


class Amounts(NamedTuple):
    """A column of money, as long as what it was read from."""

    value: pa.Array  # MONEY, i.e. decimal128(18, 6); null: empty or unreadable
    unreadable: npt.NDArray[np.bool_]  # had a text that is no amount


def read_amount(text: str, *, decimal_comma: bool = False) -> Decimal:
    """One amount. Raises ValueError if it is none.

    Currency signs and codes, blanks, apostrophes and grouping are dropped; '(1.00)' and '1.00-' are
    negative. With both '.' and ',' the last one is the decimal sign. A lone one before exactly three
    digits groups thousands unless it is the decimal sign by `decimal_comma`.
    """
    match = _AMOUNT.match(_SPACES.sub("", text))
    number = _plain(match["number"], decimal_comma) if match else ""
    if match is None or not _NUMBER.match(number) or (match["open"] is None) != (match["close"] is None):
        raise ValueError("not an amount")
    signs = [match["sign"], match["inner"], match["last"]]
    negative = match["open"] is not None or any(sign in ("-", "−") for sign in signs)
    return -Decimal(number) if negative else Decimal(number)


def _plain(text: str, decimal_comma: bool) -> str:
    """Digits with '.' as the decimal sign and no grouping."""
    comma, point = text.count(","), text.count(".")
    if comma and point:
        sign = "," if text.rfind(",") > text.rfind(".") else "."
    elif comma + point == 0:
        return text
    else:
        mark = "," if comma else "."
        usual = "," if decimal_comma else "."
        grouping = comma + point > 1 or (mark != usual and _GROUPED.match(text) is not None)
        sign = "" if grouping else mark
    group = text.replace("." if sign == "," else ",", "") if sign else re.sub(r"[.,]", "", text)
    return group.replace(sign, ".") if sign else group


def parse_amounts(values: Sequence[str | None] | pa.Array, *, decimal_comma: bool = False) -> Amounts:
    """`read_amount` over a column, once per distinct text, rounded to six decimals."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    encoded = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    found: list[Decimal | None] = []
    failed: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        value, fails = None, False
        if text.strip().lower() not in NULL_WORDS and text.strip() not in _DASHES:
            try:
                value = _fit(read_amount(text, decimal_comma=decimal_comma))
            except ValueError:
                fails = True
        found.append(value)
        failed.append(fails)
    unreadable = pa.array(failed, pa.bool_()).take(encoded.indices).fill_null(False)
    return Amounts(
        pa.array(found, MONEY).take(encoded.indices), np.asarray(unreadable.to_numpy(zero_copy_only=False), np.bool_)
    )


def uses_decimal_comma(values: pa.Array) -> bool:
    """Whether a column of money is written with a decimal comma: ',5' or ',50' at ends, and no '.50'."""
    comma = pc.match_substring_regex(values, r",\d{1,2}\D*$")
    point = pc.match_substring_regex(values, r"\.\d{1,2}\D*$")
    return bool(pc.any(comma, min_count=0).as_py() and not pc.any(point, min_count=0).as_py())


def _fit(value: Decimal) -> Decimal:
    if abs(value) >= Decimal(10) ** 12:
        raise ValueError("amount too large")
    return value.quantize(Decimal("0.000001"))


def currency_in(text: str) -> str | None:
    """ISO 4217 code written in `text` (a heading or an amount), by code or by unmistakable sign."""
    code = _CODE.search(text)
    if code:
        return code[1]
    return next((code for sign, code in _SIGNS.items() if sign in text), None)
