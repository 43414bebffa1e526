"""How figures and names are written for people."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal


def readable(name: str) -> str:
    """A name of the tables as a person would write it."""
    return name.replace("_", " ")


def number(value: Decimal | int | float | None, places: int | None = None) -> str:
    """With a comma at the thousands; nothing for null; two places, or `places`. What rounds to zero has no sign."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:z,.2f}" if places is None else f"{value:z,.{places}f}"


def percent(part: Decimal | float, whole: Decimal | float) -> str:
    return f"{100 * float(part) / float(whole):.0f}%" if whole else ""


def width(value: Decimal | int | float | None, longest: Decimal | int | float) -> float:
    """Share of the longest bar in percent, 0 for what has none."""
    if not value or not longest or value < 0:
        return 0
    return round(100 * float(value) / float(longest), 2)


def day(moment: date | datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def month(moment: date) -> str:
    return f"{moment:%b %Y}"


def plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
