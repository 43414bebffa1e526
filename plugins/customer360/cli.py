"""`c360`: the pipeline from a terminal, by the same functions the DAGs call."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from customer360 import cli_marketing, cli_restatements, cli_review

app = typer.Typer(
    name="c360",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Nightly pipeline from contacts to one customer table.

    A first look: `c360 demo`. A night by hand: `c360 run --as-of 2026-03-02`. What was read:
    `c360 ledger`. What is served: `c360 publications`. Why is this one customer: `c360 explain 123`.
    Who may be one: `c360 review`. What brought the orders: `c360 attribution`. Why a figure of it moved since last
    week: `c360 restatements`.

    Where things are comes from the environment: C360_SOURCES, C360_LANDING, C360_LAKE, C360_LOCAL,
    C360_SERVING_URL, C360_ENGINE.
    """,
)
app.add_typer(cli_review.app, name="review")
# A record_key may begin with a minus.
_KEYS = {"ignore_unknown_options": True}
app.command(context_settings=_KEYS)(cli_review.link)
app.command(context_settings=_KEYS)(cli_review.unmerge)
app.command()(cli_marketing.attribution)
app.command()(cli_marketing.export)
app.command()(cli_restatements.restatements)
out = Console()
err = Console(stderr=True)

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Night: a date (its first instant in the company's zone) or an ISO instant with offset.",
    ),
]


def main() -> None:
    """Entry point: known failures are one line on standard error and exit status 1."""
    from customer360.airflow_local import NotServing
    from customer360.cluster import PostgresError
    from customer360.engines.base import EngineError
    from customer360.nightly import NightFailed, Stale
    from customer360.quality.suites import SuiteError
    from customer360.sources import SourcesError

    try:
        app()
    except (
        EngineError,
        NightFailed,
        NotServing,
        PostgresError,
        Stale,
        SuiteError,
        SourcesError,
        ValueError,
    ) as error:
        err.print(f"[red]c360:[/red] {error}", highlight=False)
        sys.exit(1)


@app.command()
def demo(
    nights: Annotated[int, typer.Option(min=1, max=30, help="How many nights to run.")] = 3,
    customers: Annotated[int, typer.Option(min=50, help="Size of the made-up company.")] = 3000,
    seed: Annotated[int, typer.Option(help="Same seed, same company.")] = 7,
    engine: Annotated[str | None, typer.Option(help="duckdb, postgres or spark.")] = None,
    truth: Annotated[
        bool, typer.Option("--truth", help="Run nothing: print what the demo serves beside the truth.")
    ] = False,
) -> None:
    """Run the real DAGs over several nights of a made-up company, and say what each night did."""
    from customer360.demo.nights import run_demo, tell_truth

    if truth:
        tell_truth(out, _settings())
        return
    if engine:
        os.environ["C360_ENGINE"] = engine
    run_demo(out, nights=nights, customers=customers, seed=seed)


@app.command()
def ingest(
    source: Annotated[list[str] | None, typer.Argument(help="Sources; all when none is named.")] = None,
    as_of: AsOf = None,
) -> None:
    """Read every new delivery of the landing area into the lake."""
    _ingest(source or [], _night(as_of))


@app.command()
def run(
    as_of: AsOf = None,
    skip_ingest: Annotated[bool, typer.Option("--skip-ingest", help="Only what is in the lake already.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Publish in spite of warnings.")] = False,
) -> None:
    """Ingest and the nightly run in this process, from files to publication."""
    from customer360 import nightly

    instant = _night(as_of)
    if not skip_ingest:
        _ingest([], instant)
    night: dict[str, Any] = {}
    with _progress() as progress:
        task = progress.add_task("night", total=7)
        for step, night in nightly.run_night(instant, trigger="c360 run", approve=approve):  # noqa: B007
            progress.update(task, advance=1, description=step)
    _print_changes(night)


@app.command()
def ledger(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    problems: Annotated[bool, typer.Option("--problems", help="Only files with something not loaded.")] = False,
    limit: Annotated[int, typer.Option(help="Newest deliveries shown.")] = 200,
) -> None:
    """Every delivered file: rows read = loaded + rejected + duplicate."""
    from customer360 import ledger as books

    with _connection("ledger") as connection:
        rows = books.ledger_rows(connection, source=source, limit=limit)
    if problems:
        rows = [row for row in rows if row.rows_rejected or row.status in {"failed", "rejected", "waiting"}]
    table = Table(title="Ledger", caption="rows read = loaded + rejected + duplicate")
    for name in ("source", "file", "status", "reason"):
        table.add_column(name, overflow="fold")
    for name in ("read", "loaded", "rejected", "duplicate"):
        table.add_column(name, justify="right")
    for row in rows:
        figures = (row.rows_read, row.rows_loaded, row.rows_rejected, row.rows_duplicate)
        table.add_row(row.source, row.path, row.status, row.reason or "", *(f"{figure:,}" for figure in figures))
    totals = [sum(getattr(row, f"rows_{name}") for row in rows) for name in ("read", "loaded", "rejected", "duplicate")]
    table.add_section()
    table.add_row("total", f"{len(rows)} deliveries", "", "", *(f"{total:,}" for total in totals))
    out.print(table)


@app.command()
def publications(limit: Annotated[int, typer.Option(help="Newest shown.")] = 20) -> None:
    """What was published, when, for which night, and what changed."""
    from customer360.publish.publication import publications as known

    with _connection("publications") as connection:
        rows = known(connection)[:limit]
    table = Table(title="Publications")
    for name in ("id", "night (UTC)", "engine", "status", "gate", "published (UTC)", "changed rows"):
        table.add_column(name, justify="right" if name in {"id", "changed rows"} else "left")
    for row in rows:
        table.add_row(
            str(row.publication_id),
            f"{row.as_of:%Y-%m-%d %H:%M}",
            row.engine,
            row.status,
            row.gate or "",
            f"{row.published_at:%Y-%m-%d %H:%M:%S}" if row.published_at else "",
            f"{row.changed_rows:,}",
        )
    out.print(table)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(help="Publication id; the one before the served one by default.")] = None,
) -> None:
    """Serve an earlier publication again. Nothing is lost: the next night publishes on top of it."""
    from customer360.publish.publication import rollback as back

    with _connection("rollback") as connection:
        served = back(connection, to)
    out.print(f"publication {served.publication_id} for {served.as_of:%Y-%m-%d %H:%M} UTC is served again")


@app.command()
def explain(
    asked: Annotated[
        list[str],
        typer.Argument(
            metavar="CUSTOMER | RECORD RECORD | TYPE VALUE",
            help="A customer_id (a merged one is followed to its survivor); two records, as source/kind/id; with"
            " --without an identifier, as email ann@example.com.",
        ),
    ],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show values in clear.")] = False,
    without: Annotated[bool, typer.Option("--without", help="What would be if this identifier were blocked.")] = False,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", help="Draw why two records are one customer or not: FILE.svg or FILE.html."),
    ] = None,
) -> None:
    """Which records are this customer, and why; why two records are one customer, or why they are not."""
    from customer360.identity import chart as charts
    from customer360.identity import explain, why

    if chart is not None:
        charts.check(chart, is_pair=len(asked) == 2 and not without)
    with _connection("explain") as connection, _engine(_settings()) as engine:
        if without and len(asked) == 2:
            out.print(why.render_without(why.without(engine, connection, asked[0], asked[1])))
        elif len(asked) == 2:
            one, other = (explain.record(text) for text in asked)
            pair = why.explain_pair(engine, connection, one, other, reveal)
            if chart is not None:
                charts.write(chart, pair, (asked[0], asked[1]))
            out.print(why.render(pair))
        elif len(asked) == 1 and asked[0].isdigit():
            out.print(explain.render(explain.explain(engine, connection, int(asked[0]), reveal)))
        else:
            raise ValueError("give a customer_id, two records as source/kind/id, or --without TYPE VALUE")


@app.command()
def rebuild(
    as_of: AsOf = None,
    approve: Annotated[bool, typer.Option("--approve", help="Publish in spite of warnings.")] = False,
) -> None:
    """Throw the engine's tables away and build everything again from lake and `ops`.

    Without --as-of, for the night that is served now: a rebuild of an unchanged lake changes 0 rows.
    """
    from customer360 import nightly
    from customer360.publish.publication import served as current

    settings = _settings()
    if as_of is None:
        with _connection("rebuild") as connection:
            served = current(connection)
        if served is None:
            raise ValueError("nothing was published yet; name a night with --as-of")
        instant = served.as_of
    else:
        instant = _night(as_of)
    with _engine(settings) as engine:
        engine.reset()
    night: dict[str, Any] = {}
    with _progress() as progress:
        task = progress.add_task("rebuild", total=7)
        for step, night in nightly.run_night(instant, trigger="c360 rebuild", approve=approve):  # noqa: B007
            progress.update(task, advance=1, description=step)
    _print_changes(night)


@app.command()
def runs(limit: Annotated[int, typer.Option(help="Newest shown.")] = 10) -> None:
    """What each night's steps cost: seconds, CPU seconds, peak memory; rows handled, and sent to serving."""
    from customer360.publish.runs import run_metrics

    with _connection("runs") as connection:
        rows = run_metrics(connection, limit)
    table = Table(title="Runs")
    for name in ("run", "night (UTC)", "state", "step"):
        table.add_column(name)
    for name in ("rows", "seconds", "CPU s", "peak MB", "rows sent", "KB sent"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row.run_id),
            f"{row.as_of:%Y-%m-%d %H:%M}",
            row.state,
            row.stage,
            f"{row.rows:,}",
            f"{row.seconds:.1f}",
            f"{row.cpu_s:.1f}",
            f"{row.peak_mb:,.0f}",
            f"{row.rows_sent:,}" if row.rows_sent else "",
            f"{row.bytes_sent / 1024:,.0f}" if row.bytes_sent else "",
        )
    out.print(table)


@app.command()
def freshness(
    max_age_hours: Annotated[float, typer.Option(help="Oldest night that may be served.")] = 36,
) -> None:
    """Exit status 1 when what is served is too old. Run it from outside Airflow."""
    from customer360.nightly import check_freshness

    served = check_freshness(datetime.now(UTC), timedelta(hours=max_age_hours))
    out.print(f"publication {served['publication_id']} for {served['as_of']} is served")


@app.command()
def init() -> None:
    """Prepare databases, pools and the admin's password; what the init container runs."""
    from customer360 import airflow_local
    from customer360.ops import migrate

    with _connection("init") as connection:
        migrate(connection)
    airflow_local.write_admin_password(os.environ)
    airflow_local.migrate(os.environ)
    out.print("databases and pools are ready")


@app.command()
def env(
    path: Annotated[Path, typer.Option(help="File to write; never overwritten.")] = Path(".env"),
) -> None:
    """Write .env with fresh secrets for docker-compose.yml."""
    from customer360.airflow_local import write_compose_secrets

    write_compose_secrets(path)
    out.print(f"{path} written, readable by you only")


@app.command()
def ui(port: Annotated[int, typer.Option(help="Loopback port of Airflow.")] = 8080) -> None:
    """Airflow with the DAGs, the reports and the published data, on loopback, until Ctrl-C."""
    from customer360.ui import serve_ui

    serve_ui(out, port)


@app.command()
def stop() -> None:
    """Stop the embedded Postgres and the Spark cluster of our own."""
    from customer360 import postgres
    from customer360.engines import spark_cluster

    settings = _settings()
    if spark_cluster.stop(spark_cluster.folder(settings)):
        out.print("embedded Spark stopped")
    stopped = postgres.stop(settings)
    out.print("embedded Postgres stopped" if stopped else "no embedded Postgres was running")


def _settings() -> Any:
    from customer360.settings import Settings

    return Settings.from_env()


def _connection(name: str) -> Any:
    from customer360.postgres import connect

    return connect(_settings(), application_name=f"c360 {name}")


def _engine(settings: Any) -> Any:
    from customer360.engines import open_engine

    return open_engine(settings)


def _night(as_of: str | None) -> datetime:
    from customer360.sources import load_sources
    from customer360.times import parse_as_of

    zone = load_sources(_settings().sources).timezone
    if as_of:
        return parse_as_of(as_of, zone)
    return parse_as_of(datetime.now(zone).date().isoformat(), zone)


def _ingest(sources: list[str], as_of: datetime) -> None:
    from customer360 import nightly
    from customer360.ops import migrate

    with _connection("ingest") as connection:
        migrate(connection)
    known = nightly.source_names()
    unknown = sorted(set(sources) - set(known))
    if unknown:
        raise ValueError(f"no source is called {', '.join(unknown)}; known: {', '.join(known)}")
    totals = Table(title=f"Ingest for {as_of:%Y-%m-%d %H:%M} UTC")
    totals.add_column("source")
    for name in ("files", "read", "loaded", "rejected", "duplicate"):
        totals.add_column(name, justify="right")
    with _progress() as progress:
        for name in sources or known:
            deliveries = nightly.discover(name, as_of)
            task = progress.add_task(name, total=len(deliveries))
            for delivery in deliveries:
                nightly.load(name, delivery, as_of)
                progress.update(task, advance=1)
            total = nightly.account(name, as_of)
            figures = (total[f"rows_{each}"] for each in ("read", "loaded", "rejected", "duplicate"))
            totals.add_row(name, str(len(deliveries)), *(f"{figure:,}" for figure in figures))
    out.print(totals)


def _print_changes(night: dict[str, Any]) -> None:
    table = Table(title=f"Publication {night['publication_id']} for {night['as_of']}")
    table.add_column("mart")
    for name in ("rows", "inserted", "changed", "removed"):
        table.add_column(name, justify="right")
    for mart, change in sorted(night["changes"].items()):
        table.add_row(mart, *(f"{change[each]:,}" for each in ("total", "inserted", "changed", "removed")))
    out.print(table)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    )
