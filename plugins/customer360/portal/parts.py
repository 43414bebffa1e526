"""Sections of the pages that are a table: the same rows on the page and in the file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from customer360.marketing.contract import Table
from customer360.portal.build import Site
from customer360.portal.words import number, readable, width

Cell = str | int | Decimal | date | datetime | bool | None


def table_part(
    site: Site,
    name: str,
    title: str,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    note: str = "",
    empty: str = "There is nothing to show yet.",
    heat: Sequence[str] = (),
    total: bool = False,
    meanings: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A section with `rows` under `columns`, whose words are the table's or `meanings`, and a file of the same.

    `heat`: columns whose cells are shaded by their size. `total`: the last row is the total of the others.
    """
    texts = [any(isinstance(row[place], str | date) for row in rows) for place in range(len(columns))]
    longest = {
        place: max((row[place] or 0 for row in rows[: len(rows) - total]), default=0)
        for place, column in enumerate(columns)
        if column in heat
    }
    shown = []
    for index, row in enumerate(rows):
        is_total = total and index == len(rows) - 1
        cells: list[dict[str, Any]] = [
            {
                "text": _told(value),
                "meaning": table.meaning(columns[place], str(value)) if place == 0 else "",
                "width": 0 if is_total or place not in longest else width(value, longest[place]),  # type: ignore[arg-type]
            }
            for place, value in enumerate(row)
        ]
        shown.append({"kind": "total" if is_total else "", "cells": cells})
    words = meanings or {}
    return {
        "title": title,
        "note": note,
        "file": site.csv(name, columns, rows) if rows else None,
        "empty": "" if rows else empty,
        "columns": [
            {"text": readable(column), "meaning": words.get(column) or table.meaning(column), "is_text": is_text}
            for column, is_text in zip(columns, texts, strict=True)
        ],
        "rows": shown,
    }


def section(**given: Any) -> dict[str, Any]:
    """A section with what is given, and without the rest."""
    rest = ("note", "file", "empty", "rows", "steps", "series", "words", "after")
    return {**dict.fromkeys(rest), "columns": [], **given}


def _told(value: Cell) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str) else number(value)
