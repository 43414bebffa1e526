"""The report: one static page of what was read and published, with links to Data Docs and dbt's docs.

Figures only: nothing on it is personal.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TypeGuard

from customer360 import ledger
from customer360.attribution.config import of as attribution_of
from customer360.dbt_runner import run_dbt, target_path
from customer360.engines import open_engine
from customer360.identity import figures
from customer360.ledger import LedgerRow
from customer360.postgres import connect
from customer360.publish.publication import Publication, publications
from customer360.publish.runs import Metric, run_metrics
from customer360.quality.paths import data_docs
from customer360.settings import Settings

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --ok: #2a7d3f; --bad: #b3261e; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600 } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.scroll { overflow-x: auto } .published, .loaded { color: var(--ok); font-weight: 600 }
.failed, .rejected, .rolled_back { color: var(--bad); font-weight: 600 } nav a { margin-right: 1.2rem }
@media print { nav { display: none } }
"""


def build_site(settings: Settings, with_dbt_docs: bool = True) -> Path:
    """Write the page (and dbt's docs beside it, else link those that are there); returns its path."""
    root = settings.local / "site"
    root.mkdir(parents=True, exist_ok=True)
    links = [("The attribution page", "marketing/index.html" if (root / "marketing" / "index.html").exists() else "")]
    links += [("Data Docs: what the quality gates found", _copy(data_docs(settings.local).parent, root / "data_docs"))]
    if with_dbt_docs:
        _dbt_docs(settings, root / "dbt")
    if (root / "dbt" / "index.html").exists():
        links.append(("dbt docs: every table and column", "dbt/index.html"))
    with connect(settings, application_name="c360 report") as connection:
        published = publications(connection)
        deliveries = ledger.ledger_rows(connection, limit=400)
        metrics = run_metrics(connection, 10)
        identity = figures.rows(connection)
    served = next((each for each in published if each.status == "published"), None)
    heading = "Nothing published yet"
    if served:
        heading = f"Served: publication {served.publication_id} for the night of {served.as_of:%Y-%m-%d %H:%M} UTC"
    links_html = "".join(f'<a href="{escape(link)}">{escape(text)}</a>' for text, link in links if link)
    body = [f"<h1>customer360</h1><p>{escape(heading)}</p><nav>{links_html}</nav>"]
    if served:
        body.append(_table("Published rows", _MART_COLUMNS, _mart_rows(served)))
    if identity:
        body.append(
            f'<section id="identity">{_table("Who is who: figures of identity", figures.COLUMNS, identity)}</section>'
        )
    body += [
        _table("Publications", _PUBLICATION_COLUMNS, map(_publication_row, published)),
        _table("Files: read = loaded + rejected + duplicate", _FILE_COLUMNS, map(_file_row, deliveries)),
        f'<section id="costs">{_table("What each step cost", _COST_COLUMNS, map(_cost_row, metrics))}</section>',
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>customer360 report</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )
    index = root / "index.html"
    index.write_text(page, "utf-8")
    return index


_MART_COLUMNS = ("Mart", "Rows", "Inserted", "Changed", "Removed")
_PUBLICATION_COLUMNS = ("Publication", "Night (UTC)", "Engine", "Status", "Gate", "Changed rows")
_FILE_COLUMNS = ("Source", "File", "Status", "Reason", "Read", "Loaded", "Rejected", "Duplicate")
_COST_COLUMNS = ("Run", "Night (UTC)", "State", "Step", "Rows", "Seconds", "CPU seconds", "Peak MB", "Rows sent")


def _mart_rows(served: Publication) -> Iterable[Sequence[object]]:
    for mart, change in sorted(served.changes.items()):
        yield (mart, *(change[kind] for kind in ("total", "inserted", "changed", "removed")))


def _publication_row(row: Publication) -> Sequence[object]:
    night = f"{row.as_of:%Y-%m-%d %H:%M}"
    return row.publication_id, night, row.engine, row.status, row.gate or "", row.changed_rows


def _file_row(row: LedgerRow) -> Sequence[object]:
    figures = row.rows_read, row.rows_loaded, row.rows_rejected, row.rows_duplicate
    return row.source, row.path, row.status, row.reason or "", *figures


def _cost_row(row: Metric) -> Sequence[object]:
    figures = row.rows, round(row.seconds, 1), round(row.cpu_s, 1), round(row.peak_mb), row.rows_sent
    return row.run_id, f"{row.as_of:%Y-%m-%d %H:%M}", row.state, row.stage, *figures


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    filled = list(rows)
    figures = [all(_is_figure(cell) for cell in cells) for cells in zip(*filled, strict=True)]
    head = "".join(
        f'<th scope="col" class="n">{escape(column)}</th>' if is_figure else f'<th scope="col">{escape(column)}</th>'
        for column, is_figure in zip(columns, figures or [False] * len(columns), strict=True)
    )
    lines = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in filled)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<h2>{escape(title)}</h2><div class="scroll">{table}</div>'


def _is_figure(cell: object) -> TypeGuard[int | float]:
    return isinstance(cell, int | float)


def _cell(cell: object) -> str:
    if _is_figure(cell):
        return f'<td class="n">{cell:,}</td>'
    text = escape(str(cell))
    known = {"published", "loaded", "failed", "rejected", "rolled_back"}
    return f'<td class="{text}">{text}</td>' if text in known else f"<td>{text}</td>"


def _copy(source: Path, target: Path) -> str:
    if not source.is_dir():
        return ""
    shutil.rmtree(target, ignore_errors=True)  # pages of long ago may be gone
    shutil.copytree(source, target)
    return f"{target.name}/index.html"


def _dbt_docs(settings: Settings, target: Path) -> None:
    said = {"as_of": "1970-01-01 00:00:00"} | attribution_of(settings).as_vars()
    with open_engine(settings) as engine:
        engine.release()
        run_dbt(settings, engine, "docs", "generate", "--static", vars=said)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(target_path(settings) / "static_index.html", target / "index.html")
