"""How one value is written: as text in CSV, and as a cell that no spreadsheet takes for a formula."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

# With these a cell of text begins a formula, in one spreadsheet or another (also in their full-width forms).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
ESCAPE = "'"


def is_formula(text: str) -> bool:
    return text.startswith(_FORMULA)


def harmless(text: str) -> str:
    """`text`, with an apostrophe before it where a spreadsheet would compute it."""
    return ESCAPE + text if is_formula(text) else text


def csv_text(value: object) -> str | None:
    """What CSV holds: numbers in full and never as a power of ten, times without zone are UTC; None for null."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return harmless(value) if isinstance(value, str) else str(value)


def csv_line(values: list[str | None]) -> str:
    """One record as RFC 4180 has it; null is nothing, an empty text is a pair of quotes."""
    return ",".join("" if value is None else _quoted(value) for value in values) + "\r\n"


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in '",\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'
