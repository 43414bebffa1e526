"""Where customers stand, how they got there, and how fast: stages, funnel, cohorts and days."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from customer360.portal.build import Site
from customer360.portal.parts import section, table_part
from customer360.portal.words import number, percent, plural, readable, width

_STAGES = ("unidentified", "prospect", "opportunity", "order_customer", "user")
_DAYS = 90
_COHORTS = {"entry_month": "month of entry", "acquisition_source": "acquisition source", "region": "region"}


def write(site: Site) -> None:
    """`lifecycle.html`: what of it can be shown depends on the tables that the night published."""
    parts = [_stages(site)]
    if "lifecycle_funnel" in site.data.tables:
        parts.append(_funnel(site))
    if "lifecycle_daily" in site.data.tables:
        parts += _days(site)
    if "lifecycle_funnel" in site.data.tables:
        parts += [part for by, text in _COHORTS.items() if (part := _cohorts(site, by, text))]
    site.page(
        "lifecycle.html",
        "tables.html",
        "lifecycle.html",
        title="The customer lifecycle",
        lead="Five stages, from the first contact to use of the product. Everybody stands in exactly one of them every"
        " night; a customer who orders again begins a further cycle.",
        parts=parts,
    )


def _stages(site: Site) -> dict[str, Any]:
    table = site.data.tables["lifecycle_stages"]
    columns = [column.name for column in table.columns]
    rows = site.data.ask(f"select {', '.join(columns)} from marketing.lifecycle_stages_v1")
    rows.sort(key=lambda row: _STAGES.index(row[0]) if row[0] in _STAGES else len(_STAGES))
    customers = sum(row[2] for row in rows)
    totals = ["total", "", *(sum(row[place] for row in rows) for place in range(2, len(columns)))]
    return section(
        **table_part(
            site,
            "lifecycle_stages",
            f"Tonight: {plural(customers, 'customer', 'customers')}",
            table,
            columns,
            [*rows, totals],
            total=True,
            heat=("customers",),
        )
    )


def _funnel(site: Site) -> dict[str, Any]:
    table = site.data.tables["lifecycle_funnel"]
    rows = site.data.ask(
        "select stage, customers, entries, exits, standing, converted, conversion, median_days"
        " from marketing.lifecycle_funnel_v1 where cohort_by = 'all' order by stage_rank"
    )
    longest = max((row[1] for row in rows), default=0)
    columns = "stage customers entries exits standing converted percent_converted median_days".split()
    meanings = {"percent_converted": "Of the customers who ever entered the stage, in percent, those who went on"}
    told = [_as_percent(row) for row in rows]
    part = table_part(site, "lifecycle_funnel", "Funnel", table, columns, told, meanings=meanings)
    part["steps"] = [
        {
            "text": readable(stage),
            "meaning": site.data.tables["lifecycle_stages"].meaning("stage", stage),
            "width": width(customers, longest),
            "value": number(customers),
            "small": f"{percent(converted, customers)} went on" if converted else "",
        }
        for stage, customers, _, _, _, converted, _, _ in rows
    ]
    part["note"] = (
        "Customers who ever entered each stage, and how many reached a later one afterwards. The median counts stays"
        " that are not over yet as long as they last (Kaplan and Meier); it is empty where too few have left to say."
    )
    return section(**part)


def _as_percent(row: tuple[Any, ...]) -> list[Any]:
    """The row with its share in percent."""
    found = list(row)
    found[6] = None if found[6] is None else (found[6] * 100).quantize(Decimal("0.01"))
    return found


def _cohorts(site: Site, by: str, text: str) -> dict[str, Any] | None:
    """One row per cohort: its customers, and the share that reached each stage."""
    table = site.data.tables["lifecycle_funnel"]
    found = site.data.ask(
        "select cohort, stage, customers from marketing.lifecycle_funnel_v1 where cohort_by = %s"
        " order by cohort, stage_rank",
        (by,),
    )
    cohorts: dict[str, dict[str, int]] = defaultdict(dict)
    for cohort, stage, customers in found:
        cohorts[cohort][stage] = customers
    stages = [stage for stage in _STAGES if any(stage in each for each in cohorts.values())]
    if set(cohorts) <= {"(none)"}:
        return None  # nobody knows
    names = sorted(cohorts, reverse=by == "entry_month")
    if by != "entry_month":
        names.sort(key=lambda name: (-max(cohorts[name].values()), name))
    rows: list[list[Any]] = [[name, *(cohorts[name].get(stage, 0) for stage in stages)] for name in names]
    words = {stage: site.data.tables["lifecycle_stages"].meaning("stage", stage) for stage in stages}
    part = table_part(
        site,
        f"cohorts_by_{by}",
        f"Cohorts by {text}",
        table,
        [text, *stages],
        rows,
        heat=stages,
        meanings={**words, text: table.meaning("cohort")},
        note="Customers of each cohort who ever entered the stage.",
    )
    return section(**part)


def _days(site: Site) -> list[dict[str, Any]]:
    table = site.data.tables["lifecycle_daily"]
    rows = site.data.ask(
        "select day, stage, opening, entries, exits, closing from marketing.lifecycle_daily_v1"
        " where day > (select max(day) from marketing.lifecycle_daily_v1) - %s order by day desc, stage_rank",
        (_DAYS,),
    )
    closing: dict[str, list[tuple[date, int]]] = defaultdict(list)
    for day, stage, _, _, _, count in reversed(rows):
        closing[stage].append((day, count))
    series = [
        {
            "text": readable(stage),
            "meaning": site.data.tables["lifecycle_stages"].meaning("stage", stage),
            "value": number(closing[stage][-1][1]),
            "path": _path([count for _, count in closing[stage]]),
            "aria": f"{readable(stage)}: from {closing[stage][0][1]:,} to {closing[stage][-1][1]:,} customers",
            "first": closing[stage][0][0].isoformat(),
            "last": closing[stage][-1][0].isoformat(),
        }
        for stage in _STAGES
        if closing[stage]
    ]
    columns = ["stage", "opening", "entries", "exits", "closing"]
    last = table_part(
        site,
        "lifecycle_week",
        "In and out, the last seven days",
        table,
        columns,
        _week(rows),
        note="Opening and entries, less exits, are closing. The last day is the night's own and has only begun.",
        meanings={"opening": "Customers in the stage a week ago", "closing": "Customers in the stage tonight"},
    )
    note = "Each line has a scale of its own, from its lowest to its highest day."
    return [section(title=f"Customers in each stage, last {_DAYS} days", note=note, series=series), section(**last)]


def _week(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """One row per stage over the last seven days; `rows` are the newest day first."""
    last: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        if (rows[0][0] - row[0]).days < 7:
            last[row[1]].append(row)
    return [
        [stage, days[-1][2], sum(day[3] for day in days), sum(day[4] for day in days), days[0][5]]
        for stage, days in last.items()
    ]


def _path(counts: list[int]) -> str:
    """A line through the counts, in a box of 100 by 40 with the smallest at the bottom."""
    low, high = min(counts), max(counts)
    step = 100 / max(len(counts) - 1, 1)
    points = (
        f"{index * step:.2f},{38 - 36 * ((count - low) / (high - low) if high > low else 0.5):.2f}"
        for index, count in enumerate(counts)
    )
    return "M" + " L".join(points)
