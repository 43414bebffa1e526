"""What moved since last week: credits that were restated, and the publications of the last nights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from customer360.portal.build import Site
from customer360.portal.parts import section, table_part
from customer360.portal.words import readable

_WEEK = timedelta(days=7)
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
        parts=[_restatements(site), _publications(site)],
    )


def _restatements(site: Site) -> dict[str, Any]:
    table = site.data.tables.get(RESTATEMENTS)
    if table is None:
        return section(
            title="Restatements",
            empty="No table of restatements is published yet. What each night changed is told below.",
        )
    columns = [column.name for column in table.columns]
    rows = site.data.ask(
        f"select {', '.join(columns)} from marketing.{table.views[-1]} order by {', '.join(table.key)}"
    )
    return section(
        **table_part(
            site,
            RESTATEMENTS,
            readable(RESTATEMENTS).capitalize(),
            table,
            columns,
            rows,
            empty="No credit moved.",
        )
    )


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
