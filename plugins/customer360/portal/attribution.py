"""The attribution pages: one per conversion set, way to tell origins apart, period and measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any

from customer360.marketing.comparison import (
    BY,
    MEASURES,
    UNATTRIBUTED,
    Comparison,
    Line,
    compare,
    conversion_sets,
    grains,
)
from customer360.portal.build import Site
from customer360.portal.words import month, number, percent, plural, readable, width

_LINES = 40  # of a table; the smallest beyond are one line that says how many they are
_COLOURS = 7
_FIRST = ("order", "channel", "year", "amount")  # what index.html shows, where it is there
_PERIODS = {"month": ("This month", 1), "quarter": ("3 months", 3), "year": ("12 months", 12), "all": ("Everything", 0)}
_BY_TEXT = {
    "acquisition": "Acquisition source",
    "channel": "Channel",
    "source": "Traffic source",
    "campaign": "Campaign",
}
_MEASURE_TEXT = {"amount": "Amount", "conversions": "Conversions"}


@dataclass(frozen=True, slots=True)
class View:
    """One page's choices."""

    conversion_set: str
    by: str
    period: str
    measure: str

    @property
    def name(self) -> str:
        return "_".join((self.conversion_set, self.by, self.period, self.measure))


def write(site: Site) -> None:
    """Every combination of choices as a page; the first of them also as index.html."""
    sets = list(conversion_sets(site.data))
    known = grains(site.data)
    ways = [by for by, (grain, _) in BY.items() if grain in known]
    amounts = {name for name in sets if _has_amount(site, name)}
    views = [
        View(*chosen)
        for chosen in product(sets, ways, _PERIODS, MEASURES)
        if chosen[3] == "conversions" or chosen[0] in amounts
    ]
    first = min(views, key=lambda view: _distance(view))
    for view in views:
        figures = _figures(site, view, views)
        site.page(f"{view.name}.html", "attribution.html", "index.html", **figures)
        if view == first:
            site.page("index.html", "attribution.html", "index.html", **figures)


def _distance(view: View) -> list[bool]:
    """How far a view is from what people look at first."""
    chosen = (view.conversion_set, view.by, view.period, view.measure)
    return [mine != wanted for mine, wanted in zip(chosen, _FIRST, strict=True)]


def _has_amount(site: Site, conversion_set: str) -> bool:
    ((found,),) = site.data.ask(
        "select exists (select 1 from marketing.attribution_v1 where conversion_set = %s and amount <> 0)",
        (conversion_set,),
    )
    return bool(found)


def since_months(site: Site, months: int) -> date:
    """The first of so many months that end with the last one."""
    last = last_month(site)
    count = last.year * 12 + last.month - months
    return date(count // 12, count % 12 + 1, 1)


def last_month(site: Site) -> date:
    """The month of the last day before the night."""
    night = site.data.facts.as_of.astimezone(site.zone).date()
    before = date.fromordinal(night.toordinal() - 1)
    return before.replace(day=1)


def _figures(site: Site, view: View, views: list[View]) -> dict[str, Any]:
    months = _PERIODS[view.period][1]
    since, until = (since_months(site, months), last_month(site)) if months else (None, None)
    found = compare(site.data, view.by, view.conversion_set, view.measure, since, until)
    table = site.data.tables["attribution"]
    shown, folded = _fold(found)
    lines = [*shown, found.unattributed, found.total] if found.models else []
    header = [view.by, *found.models]
    file = site.csv(view.name, header, [[line.label, *line.values] for line in lines])
    column = BY[view.by][1]
    total = found.total.values[0] if found.models else Decimal()
    what = readable(view.conversion_set)
    return {
        "title": f"{what.capitalize()}: {view.measure} by {_BY_TEXT[view.by].lower()}",
        "lead": _lead(found, site, view),
        "picks": _picks(view, views, site),
        "lines": [_line(line, lines, table.meaning(column, line.label)) for line in lines] if any(lines) else [],
        "legend": _legend(shown, found),
        "bars": _bars(shown, found),
        "figure_text": _figure_text(shown, found),
        "table_title": f"{_MEASURE_TEXT[view.measure]} that each model credits",
        "file": file,
        "models": [{"text": readable(name), "meaning": table.meaning("model", name)} for name in found.models],
        "by_text": _BY_TEXT[view.by],
        "by_meaning": table.meaning(column),
        "agrees": found.agrees,
        "total_text": f"{number(total)} {site.currency if view.measure == 'amount' else 'conversions'}",
        "folded": folded,
        "set_text": what,
        "set_meaning": table.meaning("conversion_set", view.conversion_set),
        "unattributed_meaning": table.meaning("channel_group", UNATTRIBUTED),
    }


def _lead(found: Comparison, site: Site, view: View) -> str:
    if not found.models:
        return f"{month(found.since)} to {month(found.until)}."
    total, nobody = found.total.values[0], found.unattributed.values[0]
    unit = site.currency if view.measure == "amount" else "conversions"
    months = month(found.since) if found.since == found.until else f"{month(found.since)} to {month(found.until)}"
    return (
        f"{months}: {number(total)} {unit}, shared out by {plural(len(found.models), 'model', 'models')}."
        f" {number(nobody)} ({percent(nobody, total)}) are unattributed: no contact led there that anyone recorded."
    )


def _fold(found: Comparison) -> tuple[list[Line], str]:
    """The lines shown; the smallest beyond the limit are added up in one."""
    lines = list(found.lines)
    if len(lines) <= _LINES:
        return lines, ""
    kept, rest = lines[: _LINES - 1], lines[_LINES - 1 :]
    sums = tuple(sum(values, Decimal()) for values in zip(*(line.values for line in rest), strict=True))
    other = Line(f"{len(rest)} others", sums, sum((line.spend for line in rest), Decimal()))
    return [*kept, other], f"{len(rest)} smaller ones are one row; the files hold each."


def _line(line: Line, lines: list[Line], meaning: str) -> dict[str, Any]:
    kind = {UNATTRIBUTED: "unattributed", "total": "total"}.get(line.label, "")
    longest = max((value for each in lines[:-1] for value in each.values), default=Decimal())
    is_total = kind == "total"
    return {
        "label": line.label,
        "meaning": meaning,
        "kind": kind,
        "cells": [{"text": number(value), "width": 0 if is_total else width(value, longest)} for value in line.values],
        "range": None if kind or not longest else _range(line, longest),
    }


def _range(line: Line, longest: Decimal) -> dict[str, Any]:
    low, high = min(line.values), max(line.values)
    mean = sum(line.values, Decimal()) / len(line.values)
    start = width(low, longest)
    return {
        "low": start,
        "width": max(round(width(high, longest) - start, 2), 0),
        "mean": width(mean, longest),
        "text": f"{number(low)} to {number(high)}",
    }


def _legend(lines: list[Line], found: Comparison) -> list[dict[str, str]]:
    named = [{"kind": f"k{place}", "text": line.label} for place, line in enumerate(lines[:_COLOURS], 1)]
    if len(lines) > _COLOURS:
        named.append({"kind": "kr", "text": plural(len(lines) - _COLOURS, "other", "others")})
    nobody = percent(found.unattributed.values[0], found.total.values[0]) if found.models else ""
    return [*named, {"kind": "ku", "text": f"{found.unattributed.label} {nobody}".strip()}]


def _bars(lines: list[Line], found: Comparison) -> list[dict[str, Any]]:
    return [
        {"name": readable(name), "parts": list(_parts(lines, found, place))} for place, name in enumerate(found.models)
    ]


def _parts(lines: list[Line], found: Comparison, place: int) -> Iterator[dict[str, Any]]:
    """Shares of one model's bar; what is negative (refunds beyond the orders) has no length."""
    values = [(f"k{number_}", line.values[place]) for number_, line in enumerate(lines[:_COLOURS], 1)]
    values.append(("kr", sum((line.values[place] for line in lines[_COLOURS:]), Decimal())))
    values.append(("ku", found.unattributed.values[place]))
    whole = sum((value for _, value in values if value > 0), Decimal())
    for kind, value in values:
        share = float(value / whole) if value > 0 and whole else 0.0
        if share:
            text = f"{share:.0%}" if share >= 0.07 and kind != "ku" else ""
            yield {"kind": kind, "share": round(share, 5), "text": text}


def _figure_text(lines: list[Line], found: Comparison) -> str:
    if not found.models or not lines:
        return "No conversions."
    best = []
    for place, name in enumerate(found.models):
        top = max(lines, key=lambda line: line.values[place])
        share = percent(top.values[place], found.total.values[place])
        best.append(f"{readable(name)}: most to {top.label}, {share}")
    return "Bars of equal length, one per model. " + "; ".join(best) + ". The table below has every figure."


def _picks(view: View, views: list[View], site: Site) -> list[tuple[str, list[dict[str, Any]]]]:
    """Links to the pages that differ from this one in a single choice."""
    table = site.data.tables["attribution"]
    sets = dict.fromkeys(each.conversion_set for each in views)
    measures = dict.fromkeys(each.measure for each in views if each.conversion_set == view.conversion_set)

    def choice(text: str, other: View, meaning: str = "") -> dict[str, Any]:
        if other not in views:
            other = replace(other, measure="conversions")
        return {"text": text, "link": f"{other.name}.html", "active": other == view, "meaning": meaning}

    return [
        (
            "Conversions",
            [
                choice(readable(each), replace(view, conversion_set=each), table.meaning("conversion_set", each))
                for each in sets
            ],
        ),
        ("Told apart by", [choice(_BY_TEXT[b], replace(view, by=b)) for b in dict.fromkeys(v.by for v in views)]),
        ("Period", [choice(text, replace(view, period=name)) for name, (text, _) in _PERIODS.items()]),
        ("Measure", [choice(_MEASURE_TEXT[each], replace(view, measure=each)) for each in sorted(measures)]),
    ]
