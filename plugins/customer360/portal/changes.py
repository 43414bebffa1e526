"""What moved since last week: credits that were restated, and the publications of the last nights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from customer360.marketing.comparison import MODELS
from customer360.marketing.contract import Table
from customer360.portal.build import Site
from customer360.portal.parts import section, table_part

_WEEK = timedelta(days=7)
_LARGEST = 40
_NEWS = "new_conversion"  # no restatement: what the night brought
_COSTS = "(all)"  # costs are the same under every model and stand once, under none
RESTATEMENTS = "attribution_restatements"
_PUBLICATIONS = {
    "publication_id": "Number of the publication",
    "night": "The night it is for, in the company's time zone",
    "published_at": "When it was published (UTC)",
    "gate": "pass, or warn when a person approved it in spite of warnings",
    "tests_passed": "Tests of the data that held",
    "changed_rows": "Rows of all published tables that came, changed or went",
}


def write(site: Site) -> None:
    """`changes.html`."""
    site.page(
        "changes.html",
        "tables.html",
        "changes.html",
        title="What changed since last week",
        lead="Yesterday's figures may move: a file comes late, two customers turn out to be one, a cost is corrected."
        " Nothing moves without a trace.",
        parts=[*_restatements(site), _publications(site)],
    )


def _restatements(site: Site) -> list[dict[str, Any]]:
    """Credits that moved since last week, by cause; what is merely new stands apart."""
    table = site.data.tables.get(RESTATEMENTS)
    if table is None:
        text = "No table of restatements is published yet. What each night changed is told below."
        return [section(title="Restatements", empty=text)]
    moved = site.data.ask(
        "select r.conversion_set, r.cause, r.model, sum(r.conversions_to - r.conversions_from),"
        " sum(abs(r.conversions_to - r.conversions_from)), sum(r.amount_to - r.amount_from),"
        f" sum(abs(r.amount_to - r.amount_from)) from marketing.{RESTATEMENTS}_v1 r"
        " where r.grain = 'channel' and r.model <> %s and r.as_of > %s group by 1, 2, 3 order by 1, 2, 3",
        (_COSTS, _week_ago(site)),
    )
    parts = []
    for title, name, is_new, place in (
        ("Amounts that were restated", "restated_amounts", False, 5),
        ("Conversions that were restated", "restated_conversions", False, 3),
        ("News of the week: conversions that are new", "new_conversions", True, 3),
    ):
        rows = [(*row[:3], row[place], row[place + 1]) for row in moved if (row[1] == _NEWS) == is_new]
        parts.append(_by_cause(site, table, title, name, rows))
    return [*parts, _largest(site, table), _costs(site, table)]


def _by_cause(
    site: Site, table: Table, title: str, name: str, rows: list[tuple[str, str, str, Decimal, Decimal]]
) -> dict[str, Any]:
    """One row per conversion set and cause: the change of all channels together, and what moved under each model."""
    order = {model: place for place, model in enumerate(MODELS)}
    models = sorted({row[2] for row in rows}, key=lambda model: (order.get(model, len(order)), model))
    moved = {row[:3]: row[4] for row in rows}
    # Every model shares out the same total: any of them tells how it changed, but for cents that were rounded.
    net = {row[:2]: row[3] for model in reversed(models) for row in rows if row[2] == model}
    lines: list[list[Any]] = [
        [cause, conversion_set, net[conversion_set, cause]]
        + [moved.get((conversion_set, cause, model), Decimal()) for model in models]
        for cause, conversion_set in sorted((cause, conversion_set) for conversion_set, cause in net)
    ]
    words = {model: site.data.tables["attribution"].meaning("model", model) for model in models}
    return section(
        **table_part(
            site,
            name,
            title,
            table,
            ["cause", "conversion_set", "total", *models],
            [line for line in lines if any(line[2:])],
            note="Total: how all channels together changed, new less old. Under each model: what left a channel's month"
            " or came to one; what only changed places stands twice.",
            empty="Nothing moved.",
            meanings=words | {"total": "New less old, over all channels; the same under every model but for cents"},
        )
    )


def _largest(site: Site, table: Table) -> dict[str, Any]:
    where = (
        f"marketing.{RESTATEMENTS}_v1 r where r.grain = 'channel' and r.model <> %s and r.cause <> %s and r.as_of > %s"
    )
    columns = "channel_group month conversion_set model cause conversions amount".split()
    given = (_COSTS, _NEWS, _week_ago(site))
    rows = site.data.ask(
        "select r.channel_group, r.month, r.conversion_set, r.model, r.cause,"
        f" sum(r.conversions_to - r.conversions_from), sum(r.amount_to - r.amount_from) from {where}"
        " group by 1, 2, 3, 4, 5 order by abs(sum(r.amount_to - r.amount_from)) desc,"
        f" abs(sum(r.conversions_to - r.conversions_from)) desc, 1, 2, 3, 4, 5 limit {_LARGEST + 1}",
        given,
    )
    ((count,),) = site.data.ask(
        f"select count(distinct (r.channel_group, r.month, r.conversion_set, r.model, r.cause)) from {where}", given
    )
    shown = rows[:_LARGEST]
    return section(
        **table_part(
            site,
            "largest_restatements",
            "Where it moved",
            table,
            columns,
            shown,
            note=f"The largest {len(shown)} of {count:,}; the table marketing.{RESTATEMENTS} has all."
            if count > len(shown)
            else "",
            empty="Nothing moved.",
            meanings={"conversions": "New less old", "amount": "New less old"},
        )
    )


def _costs(site: Site, table: Table) -> dict[str, Any]:
    """Costs that came, changed or went, by cause and the month they belong to."""
    rows = site.data.ask(
        f"select r.cause, r.month, sum(r.cost_to - r.cost_from) from marketing.{RESTATEMENTS}_v1 r"
        " where r.grain = 'channel' and r.model = %s and r.as_of > %s group by 1, 2 order by 1, 2",
        (_COSTS, _week_ago(site)),
    )
    return section(
        **table_part(
            site,
            "moved_costs",
            "Costs that moved",
            table,
            ["cause", "month", "cost"],
            rows,
            note="New less old, over all channels; new cost is the week's own and no restatement.",
            empty="No cost moved.",
            meanings={"cost": f"New less old, in {site.currency}"},
        )
    )


def _week_ago(site: Site) -> datetime:
    """The instant a week before the night, UTC, as the table keeps it."""
    return (site.data.facts.as_of - _WEEK).astimezone(UTC).replace(tzinfo=None)


def _publications(site: Site) -> dict[str, Any]:
    rows = site.data.ask(
        "select publication_id, as_of, published_at, gate, tests_passed, changed_rows from marketing.publications"
        " where as_of >= %s order by publication_id desc",
        (site.data.facts.as_of - _WEEK,),
    )
    told = [[str(number), as_of.astimezone(site.zone).date(), *rest] for number, as_of, *rest in rows]
    return section(
        **table_part(
            site,
            "publications",
            "Publications of the week",
            site.data.tables["attribution"],
            list(_PUBLICATIONS),
            told,
            meanings=_PUBLICATIONS,
        )
    )
