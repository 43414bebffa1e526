"""`c360 demo`: several nights of the made-up company through the real DAGs, told as they happen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from customer360 import airflow_local, postgres
from customer360.demo.company import DemoPlan, deliver, write_company
from customer360.demo.credit import CreditTruth, credit_truths
from customer360.demo.truth import Verdict, judge
from customer360.ops import migrate
from customer360.settings import Settings
from customer360.sources import load_sources
from customer360.times import parse_as_of

FIRST_NIGHT = date(2026, 3, 2)
MARKER = "demo.json"


class DemoRefused(ValueError):
    """The demo would overwrite something that is not its own."""


@dataclass(frozen=True, slots=True)
class NightReport:
    """What one night did, read back from Postgres."""

    as_of: datetime
    seconds: float
    dags: list[dict[str, Any]]
    files: Counter[str]
    rows: Counter[str]
    problems: list[tuple[str, str, str]]  # path, status, reason
    merged: int
    changes: dict[str, dict[str, int]]


def run_demo(out: Console, *, nights: int, customers: int, seed: int) -> list[NightReport]:
    """Write the company, run the nights, print what was published and where to look; what each night did."""
    settings = Settings.from_env()
    started = time.monotonic()
    _start_afresh(settings)
    (settings.local / MARKER).write_text(json.dumps({"seed": seed, "customers": customers}), "utf-8")
    with out.status(f"writing two years of a company with {customers:,} customers"):
        plan = write_company(
            Path(settings.landing),
            settings.local / "demo_truth",
            seed=seed,
            customers=customers,
            first_night=FIRST_NIGHT,
            nights=nights,
        )
    environment = airflow_local.environment(settings)
    with out.status("preparing Airflow"):
        airflow_local.migrate(environment)
        with postgres.connect(settings, application_name="c360 demo") as connection:
            migrate(connection)
    reports = [_night(out, settings, environment, plan, index) for index in range(nights)]
    _summary(out, reports)
    tell_truth(out, settings)
    _where_to_look(out, settings, time.monotonic() - started)
    return reports


def tell_truth(out: Console, settings: Settings) -> None:
    """Print what is served beside the truth. Raises DemoRefused where no demo has run."""
    truth = settings.local / "demo_truth"
    if not (settings.local / MARKER).exists() or not truth.is_dir():
        raise DemoRefused(f"no demo has run in {settings.local}; run c360 demo first")
    _verdict(out, judge(settings, truth).verdicts())
    for each in credit_truths(settings, truth):
        _credit(out, each)
    out.print(_MEANT, highlight=False)


def _start_afresh(settings: Settings) -> None:
    """Remove what an earlier demo left; refuse to touch anything else."""
    if "://" in settings.landing or "://" in settings.lake:
        raise DemoRefused("the demo writes to local folders; unset C360_LANDING and C360_LAKE")
    mine = (settings.local / MARKER).exists()
    folders = [Path(settings.landing), Path(settings.lake), settings.local / "engine", settings.local / "dbt"]
    folders += [settings.local / "quality", settings.local / "demo_truth", settings.local / "airflow"]
    folders += [settings.local / "exports", settings.local / "site"]
    used = [folder for folder in folders[:2] if folder.exists() and any(folder.iterdir())]
    if used and not mine:
        raise DemoRefused(f"{used[0]} holds data that is not the demo's; set C360_LOCAL to an empty folder")
    settings.local.mkdir(parents=True, exist_ok=True)
    if postgres.holds_data(settings) and not mine:
        raise DemoRefused("the serving database holds data that is not the demo's; set C360_LOCAL or C360_SERVING_URL")
    postgres.reset(settings)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _night(out: Console, settings: Settings, environment: dict[str, str], plan: DemoPlan, index: int) -> NightReport:
    day = FIRST_NIGHT + timedelta(days=index)
    as_of = parse_as_of(day.isoformat(), load_sources(settings.sources).timezone)
    delivered = deliver(plan, index)
    out.rule(f"night {index + 1}: {day:%A %d %B %Y}")
    out.print(f"{len(delivered)} deliveries" + (", among them:" if any(what for _, what in delivered) else ""))
    for path, what in delivered:
        if what:
            out.print(f"  • {what}: [dim]{path}[/dim]", highlight=False)
    started = time.monotonic()
    dags = _run_dags(out, settings, environment, as_of, index)
    report = _read_back(settings, as_of, time.monotonic() - started, dags)
    _tell(out, report)
    return report


def _run_dags(
    out: Console, settings: Settings, environment: dict[str, str], as_of: datetime, index: int
) -> list[dict[str, Any]]:
    """The night's DAG runs, in a process of their own; raises RuntimeError naming the log."""
    log = settings.local / "demo_logs"
    log.mkdir(exist_ok=True)
    lines, log_file = log / f"night_{index + 1}.jsonl", log / f"night_{index + 1}.log"
    lines.unlink(missing_ok=True)
    command = [sys.executable, "-m", "customer360.demo.dag_night", as_of.isoformat(), str(lines)]
    with log_file.open("wb") as log_output, out.status("running the DAGs") as status:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            command, env={**os.environ, **environment}, stdout=log_output, stderr=log_output
        )
        while process.poll() is None:
            done = _jsonl(lines)
            if done:
                status.update(f"running the DAGs: {len(done)} done, last {done[-1]['dag']}")
            time.sleep(0.3)
    dags = _jsonl(lines)
    if process.returncode:
        raise RuntimeError(f"night {index + 1} failed; its log is {log_file}")
    return dags


def _jsonl(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]


def _read_back(settings: Settings, as_of: datetime, seconds: float, dags: list[dict[str, Any]]) -> NightReport:
    from customer360 import ledger
    from customer360.publish.publication import served

    with postgres.connect(settings, application_name="c360 demo") as connection:
        rows = [row for row in ledger.ledger_rows(connection, limit=None) if row.loaded_as_of == as_of]
        publication = served(connection)
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from ops.customer_alias where merged_as_of = %s", (as_of,))
            (merged,) = cursor.fetchone() or (0,)
    if publication is None or publication.as_of != as_of:
        raise RuntimeError(f"the night of {as_of:%Y-%m-%d} ended without a publication")
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update(
            read=row.rows_read,
            loaded=row.rows_loaded,
            rejected=row.rows_rejected,
            duplicate=row.rows_duplicate,
        )
    problems = [
        (row.path, row.status, row.reason or f"{row.rows_rejected} rejected")
        for row in rows
        if row.status in {"failed", "rejected", "duplicate", "waiting"} or row.rows_rejected
    ]
    return NightReport(
        as_of,
        seconds,
        dags,
        Counter(row.status for row in rows),
        totals,
        problems,
        merged,
        publication.changes,
    )


def _tell(out: Console, report: NightReport) -> None:
    runs = Counter(each["state"] for each in report.dags)
    out.print(
        f"{sum(runs.values())} DAG runs in {report.seconds:.0f} s: "
        + ", ".join(f"{count} {state}" for state, count in runs.items())
    )
    rows = report.rows
    out.print(
        f"files: {', '.join(f'{count} {status}' for status, count in sorted(report.files.items()))}; rows: "
        f"{rows['read']:,} read = {rows['loaded']:,} loaded + {rows['rejected']:,} rejected + "
        f"{rows['duplicate']:,} duplicate"
    )
    for path, status, reason in report.problems[:12]:
        out.print(f"  • {path}: {status}, {reason}", highlight=False)
    if len(report.problems) > 12:
        out.print(f"  • and {len(report.problems) - 12} more: c360 ledger --problems")
    out.print(f"customers merged into another: {report.merged}")


def _summary(out: Console, reports: list[NightReport]) -> None:
    out.rule("published rows per mart and night")
    table = Table()
    table.add_column("mart")
    for number in range(1, len(reports) + 1):
        table.add_column(f"night {number}", justify="right")
        if number > 1:
            table.add_column("changed", justify="right")
    for mart in sorted(reports[-1].changes):
        cells = []
        for number, report in enumerate(reports, 1):
            change = report.changes.get(mart, {})
            cells.append(f"{change.get('total', 0):,}")
            if number > 1:
                moved = sum(change.get(kind, 0) for kind in ("inserted", "changed", "removed"))
                cells.append(f"{moved:,}")
        table.add_row(mart, *cells)
    out.print(table)


def _verdict(out: Console, verdicts: list[Verdict]) -> None:
    table = Table(title="against the demo's truth")
    table.add_column("question")
    table.add_column("figure", justify="right")
    table.add_column("of", justify="right")
    for verdict in verdicts:
        table.add_row(verdict.question, verdict.figure, verdict.of)
    out.print(table)


_COUNTED = {"identified": "people who became known", "order": "orders"}
_MEANT = (
    "truth: each counts under the campaign that first brought the person, whether it left a trace or not. Models share"
    " it among the contacts of the look-back before it; only first asks what the truth answers.\n"
    "error: too many and too few, over all rows. misplaced: the share that stands with a wrong source.\n"
    "order by order: credit that went to that order's true source; Markov splits months, not orders."
)


def _credit(out: Console, found: CreditTruth) -> None:
    """Sources below each other, the truth and every model beside each other, within eighty columns."""
    models = list(found.credited)
    table = Table(
        title=f"{_COUNTED[found.conversion_set]}: by true source, and as each model credits them",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    table.add_column("source", width=12)
    for name in ("truth", *models):
        table.add_column(name.replace("position", "posi-\ntion").replace("_", "\n"), justify="right")
    for source in found.sources:
        given = (found.credited[model].get(source, 0) for model in models)
        table.add_row(source, str(found.true.get(source, 0)), *(f"{each:.0f}" for each in given))
    table.add_section()
    table.add_row("total", str(found.conversions), *(f"{found.total(model):.0f}" for model in models))
    table.add_row("error", "", *(f"{found.error(model):.0f}" for model in models))
    table.add_row("misplaced", "", *(f"{found.misplaced(model):.0%}" for model in models))
    if found.hits:
        told = (found.hit(model) for model in models)
        table.add_row("order by order", "", *("" if each is None else f"{each:.0%}" for each in told))
    out.print(table)


def _where_to_look(out: Console, settings: Settings, seconds: float) -> None:
    from customer360.site import build_site

    index = build_site(settings)
    out.rule(f"done in {seconds:.0f} s; where to look")
    for command, what in (
        ("c360 ledger", "every file: read = loaded + rejected + duplicate"),
        ("c360 publications", "what is served, and what was before"),
        ("c360 runs", "what each step cost"),
        ("c360 attribution", "which channel earned which conversions, by each model"),
        ("c360 demo --truth", "the tables above once more: what is served beside the truth"),
        ("c360 explain CUSTOMER", "which records are one customer, and why"),
        ("make ui", "Airflow with these DAGs, the reports and the published data"),
    ):
        out.print(f"  .venv/bin/{command:<24} {what}" if command.startswith("c360") else f"  {command:<34} {what}")
    out.print(f"  report   file://{index}", soft_wrap=True)
    out.print(f"  page     file://{index.parent / 'marketing' / 'index.html'}", soft_wrap=True)
    out.print(f"  files    {settings.exports / 'latest'}", soft_wrap=True)
    out.print(
        f"  SQL      psql '{postgres.display_url(settings)}' -c 'select * from customer_360 limit 5'",
        soft_wrap=True,
    )
