"""`c360 restatements`: which published figures of attribution moved, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

out = Console()

Grain = Annotated[str, typer.Option(help="channel, source or campaign: each holds everything once.")]
Model = Annotated[str, typer.Option(help="Attribution model.")]


def restatements(
    publication: Annotated[
        int | None, typer.Argument(help="A publication: its figures that moved, each with its causes.")
    ] = None,
    conversion: Annotated[
        str | None, typer.Option(help="SET:KEY of a conversion: its touches before and after the publication.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Nights so many days before the served one.")] = 7,
    grain: Grain = "channel",
    model: Model = "linear",
    limit: Annotated[int, typer.Option(min=1, help="Figures shown.")] = 40,
) -> None:
    """Which published figures of attribution moved since the publication before, by how much and why.

    Without a publication: the causes of the last nights. The changes of all causes sum to what the figures moved.
    """
    from customer360.postgres import connect
    from customer360.publish.restatements import GRAINS
    from customer360.settings import Settings

    if grain not in GRAINS:
        raise ValueError(f"no grain is called {grain}; there are {', '.join(GRAINS)}")
    if conversion and publication is None:
        raise ValueError("--conversion needs a publication: the one with which its credit moved")
    with connect(Settings.from_env(), application_name="c360 restatements") as connection:
        if publication is None:
            out.print(_causes(connection, days, grain, model))
        elif conversion:
            out.print(_conversion(connection, publication, conversion, grain, model))
        else:
            out.print(_figures(connection, publication, grain, model, limit))


def _causes(connection: Any, days: int, grain: str, model: str) -> Table:
    from customer360.publish.restated import causes

    table = _table(
        f"Restatements of the last {days} days, model {model}",
        ("publication", "night (UTC)", "cause"),
        ("figures", "conversions", "amount", "moved"),
    )
    table.caption = "amount: to less from; moved: what left a figure or came to one"
    for row in causes(connection, days, grain, model):
        table.add_row(
            str(row.publication_id),
            f"{row.as_of:%Y-%m-%d %H:%M}",
            row.cause,
            f"{row.figures:,}",
            f"{row.conversions:+,.4f}",
            f"{row.amount:+,.2f}",
            f"{row.moved:,.2f}",
        )
    return table


def _figures(connection: Any, publication: int, grain: str, model: str, limit: int) -> Table:
    from customer360.publish.restated import figures

    rows = figures(connection, publication, grain, model)
    table = _table(
        f"Figures that moved with publication {publication}, model {model}",
        ("conversions", "month", grain, "cause"),
        ("number from", "to", "amount from", "to"),
    )
    for row in rows[:limit]:
        table.add_row(
            row.conversion_set,
            f"{row.month:%Y-%m}",
            row.source,
            row.cause,
            f"{row.conversions_from:,.4f}",
            f"{row.conversions_to:,.4f}",
            f"{row.amount_from:,.2f}",
            f"{row.amount_to:,.2f}",
        )
    net = sum((row.amount_to - row.amount_from for row in rows), start=0)
    table.caption = f"{min(limit, len(rows)):,} of {len(rows):,} shown; all of them: {net:+,.2f}"
    return table


def _conversion(connection: Any, publication: int, conversion: str, grain: str, model: str) -> Table:
    from customer360.publish.restated import shares

    name, _, key = conversion.partition(":")
    if not key.removeprefix("-").isdigit():
        raise ValueError("--conversion is SET:KEY, as attribution_restated_conversions names it")
    column = f"credit_{model}" + (f"_{grain}" if model == "shapley" and grain != "channel" else "")
    table = _table(
        f"{name} {key} before and after publication {publication}, model {model}",
        ("touch", "channel"),
        ("share from", "to", "amount from", "to"),
    )
    for row in shares(connection, publication, name, int(key), column):
        numbers = (row.share_from, row.share_to, row.amount_from, row.amount_to)
        table.add_row(
            str(row.touch_id or ""), row.channel_group, *("" if each is None else f"{each:,}" for each in numbers)
        )
    return table


def _table(title: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title)
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table
