"""`c360 export` and `c360 attribution`: marketing's tables as files, and its models in the terminal."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from customer360.settings import Settings

if TYPE_CHECKING:
    from customer360.marketing.comparison import Comparison, Line

out = Console()
_BAR = 44  # characters of the longest bar
_PARTS = " ▏▎▍▌▋▊▉█"

Month = Annotated[str | None, typer.Option(help="Month as YYYY-MM, included.")]


def export(
    table: Annotated[
        list[str] | None, typer.Argument(help="Tables of schema marketing; all when none is named.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="New folder; without it the night's own folder.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--format", help="csv, parquet or xlsx; all by default.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Only rows with COLUMN=VALUE; may be repeated.")] = None,
) -> None:
    """Write marketing's tables as CSV, Parquet and XLSX, checked against the database.

    Without options: the night's files, as the DAG marketing_exports writes them.
    """
    from customer360.exports.run import export_by_hand, export_night
    from customer360.marketing.reading import Filter

    settings = Settings.from_env()
    if to is None and (table or kind or where):
        raise ValueError("name a folder for these files with --to")
    filters = []
    for each in where or []:
        column, sign, value = each.partition("=")
        if not sign:
            raise ValueError(f"--where {each}: write COLUMN=VALUE")
        filters.append(Filter(column, value))
    made = export_by_hand(settings, to, table or [], kind or [], filters) if to else export_night(settings)
    shown = Table(title=f"Publication {made.manifest['publication_id']}, as of {made.manifest['as_of']}")
    for name in ("file", "rows", "bytes"):
        shown.add_column(name, justify="left" if name == "file" else "right")
    for file in made.manifest["files"]:
        shown.add_row(file["path"], f"{file['rows']:,}", f"{file['bytes']:,}")
    out.print(shown)
    out.print(f"{made.folder}", highlight=False, soft_wrap=True)
    if made.refused:
        raise ValueError("not written: " + "; ".join(made.refused))


def attribution(
    by: Annotated[str, typer.Option(help="acquisition, channel, source or campaign.")] = "channel",
    conversions: Annotated[
        str, typer.Option("--set", help="Conversion set: order, opportunity, identified, …")
    ] = "order",
    measure: Annotated[str, typer.Option(help="conversions or amount.")] = "conversions",
    since: Month = None,
    until: Month = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Bars instead of a table.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write what is shown to this file, too.")] = None,
) -> None:
    """Attribution models side by side: who earned which conversions, and what nobody earned."""
    from customer360.marketing.comparison import NotComparable, compare
    from customer360.marketing.reading import snapshot

    with snapshot(Settings.from_env(), "c360 attribution") as data:
        found = compare(data, by, conversions, measure, _month(since), _month(until))
        facts = data.facts
    unknown = sorted(set(model or []) - set(found.models))
    if unknown:
        raise NotComparable(f"no model is called {', '.join(unknown)}; known: {', '.join(found.models)}")
    shown = [name for name in found.models if not model or name in model]
    out.print(
        f"[bold]{conversions}: {measure} by {by}[/bold], {found.since:%Y-%m} to {found.until:%Y-%m};"
        f" publication {facts.publication_id} as of {facts.as_of:%Y-%m-%d %H:%M} UTC,"
        f" {facts.tests_passed} tests passed",
        highlight=False,
    )
    _print_bars(found, shown) if plot else out.print(_table(found, shown))
    out.print(
        "Every model shares out the same total." if found.agrees else "[red]The models' totals differ.[/red]",
    )
    if csv:
        _write(csv, found, shown)
        out.print(f"{len(found.all_lines)} rows written to {csv}", highlight=False, soft_wrap=True)


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise ValueError(f"{text} is no month; write YYYY-MM")
    return date.fromisoformat(f"{text}-01")


def _cells(found: Comparison, line: Line, shown: list[str]) -> list[Decimal]:
    return [value for name, value in zip(found.models, line.values, strict=True) if name in shown]


def _table(found: Comparison, shown: list[str]) -> Table:
    table = Table()
    table.add_column(found.by, overflow="fold")
    for name in (*shown, "spend"):
        table.add_column(name.replace("_", " "), justify="right")
    for line in found.all_lines:
        if line is found.unattributed or line is found.total:
            table.add_section()
        style = "bold" if line is found.total else "dim" if line is found.unattributed else None
        figures = [f"{value:,.2f}" for value in [*_cells(found, line, shown), line.spend]]
        table.add_row(line.label, *figures, style=style)
    return table


def _print_bars(found: Comparison, shown: list[str]) -> None:
    longest = max(
        (abs(v) for line in (*found.lines, found.unattributed) for v in _cells(found, line, shown)), default=0
    )
    width = max(map(len, shown), default=0)
    for line in (*found.lines, found.unattributed):
        out.print(f"[bold]{line.label}[/bold]", highlight=False)
        for name, value in zip(shown, _cells(found, line, shown), strict=True):
            out.print(f"  {name:<{width}} {_bar(value, Decimal(longest)):<{_BAR}} {value:>14,.2f}", highlight=False)
    out.print("[bold]total[/bold]")
    for name, value in zip(shown, _cells(found, found.total, shown), strict=True):
        out.print(f"  {name:<{width}} {'':<{_BAR}} {value:>14,.2f}", highlight=False)


def _bar(value: Decimal, longest: Decimal) -> str:
    """A bar in eighths of a character; a negative value has none, its figure says so."""
    eighths = int(_BAR * 8 * max(value, Decimal()) / longest) if longest else 0
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()


def _write(path: Path, found: Comparison, shown: list[str]) -> None:
    from customer360.exports.cells import csv_line, csv_text

    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line([found.by, *shown, "spend"]))
        for line in found.all_lines:
            cells: list[object] = [line.label, *_cells(found, line, shown), line.spend]
            file.write(csv_line([csv_text(cell) for cell in cells]))
