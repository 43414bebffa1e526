"""The night, step by step: what the DAGs' tasks and `c360 run` both call.

Every step takes and returns a small JSON-serialisable dict (`Night`), so that it can cross processes
as an XCom; data stays in the lake, the engine and Postgres. Importing this module is cheap: each step
imports what it needs.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from customer360 import dbt_process
from customer360.settings import Settings

if TYPE_CHECKING:
    from customer360.publish.runs import Run
    from customer360.sources import Source, SourcesConfig

Night = dict[str, Any]


class NightFailed(Exception):
    """A step that must stop the night; the old publication stays served."""


class Stale(Exception):
    """The served publication is older than it may be."""


# Ingest -------------------------------------------------------------------------------------------


def discover(source: str, as_of: datetime) -> list[dict[str, Any]]:
    """Deliveries of `source` that the ledger does not know yet."""
    from customer360 import ingest

    settings, config = _configured()
    return ingest.discover(settings, config.sources[source], as_of)


def load(source: str, delivery: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """Read one delivery into the lake, through the raw gate; what the ledger says of it."""
    from customer360 import ingest
    from customer360.quality.raw import raw_gate

    settings, config = _configured()
    row = ingest.load(
        settings,
        config.sources[source],
        dict(delivery),
        as_of,
        own=config.own,
        gate=raw_gate(settings, as_of),
    )
    return {
        "path": row.path,
        "status": row.status,
        "rows_read": row.rows_read,
        "rows_loaded": row.rows_loaded,
    }


def account(source: str, as_of: datetime) -> dict[str, int]:
    """Rows of `source` accounted for tonight; fails if read ≠ loaded + rejected + duplicate."""
    from customer360 import ledger
    from customer360.postgres import connect

    with connect(Settings.from_env(), application_name="c360 account") as connection:
        total = ledger.night_totals(connection, source, as_of)
    if total["rows_read"] != total["rows_loaded"] + total["rows_rejected"] + total["rows_duplicate"]:
        raise NightFailed(f"{source}: rows read are not accounted for: {total}")
    return total


# Nightly ------------------------------------------------------------------------------------------


def begin(as_of: datetime, trigger: str) -> Night:
    """Open a run; every older attempt is fenced from now on."""
    from customer360.ops import migrate
    from customer360.postgres import connect
    from customer360.publish.runs import open_run

    settings, _ = _configured()
    with connect(settings, application_name="c360 begin") as connection:
        migrate(connection)
        run = open_run(connection, as_of, settings.engine, trigger)
    return {"run_id": run.run_id, "as_of": as_of.astimezone(UTC).isoformat()}


def stage(night: Night) -> Night:
    """Every batch active at the night → the engine's staging models and identity inputs: of all customers, or of
    the slice that may differ from the night before."""
    from customer360 import ledger
    from customer360.dbt_runner import count_tests, run_dbt
    from customer360.engines import open_engine
    from customer360.identity import linkage_model
    from customer360.postgres import connect
    from customer360.slices.opening import open_slice
    from customer360.slices.planning import fingerprint, plan
    from customer360.slices.state import State, read_state, write_batches, write_state

    settings, config = _configured(check_connectors=False)
    with _measured(settings, night, "stage") as figures:
        with connect(settings, application_name="c360 stage") as connection, open_engine(settings) as engine:
            files = ledger.active_files(connection, settings, _as_of(night))
            mark = fingerprint(settings, config, _as_of(night))
            found = plan(engine, connection, files, _as_of(night), mark)
            held = read_state(engine)
            served_by = held.publication_id if held and found.since else None
            write_state(engine, State(_as_of(night), mark, False, served_by))
            engine.stage(files)
            with connection.cursor() as cursor:
                learned = linkage_model.in_force(cursor, _as_of(night))
            records = open_slice(engine, found, _as_of(night), config.own, learned) if found.since else None
            write_batches(engine, files)
            engine.release()
            night |= {"is_slice": found.since is not None, "whole_because": found.reason, "slice_records": records}
            night["since_time"] = found.since and found.since.astimezone(UTC).time().isoformat()
            result = run_dbt(settings, engine, "build", select="+tag:identity_input", vars=_vars(night))
        figures["rows"] = len(files)
    return night | {"files": len(files), "staging_models": len(result.nodes), "dbt_tests": count_tests(result.nodes)}


def identify(night: Night) -> Night:
    """Who is the same customer: engine schema `identity`, registry in `ops`."""
    from customer360.engines import open_engine
    from customer360.identity.resolve import resolve
    from customer360.postgres import connect
    from customer360.publish.runs import guard

    settings, config = _configured(check_connectors=False)
    with _measured(settings, night, "identify") as figures:
        with (
            connect(settings, application_name="c360 identify") as connection,
            open_engine(settings) as engine,
        ):
            run = _attempt(connection, night)
            result = resolve(
                engine,
                connection,
                _as_of(night),
                config.own,
                lambda cursor: guard(cursor, run),
                is_slice=night["is_slice"],
            )
        figures["rows"] = result.customers
    return night | {"identity": result.counts()}


def transform(night: Night) -> Night:
    """The marts, with their dbt tests. A failing test stops the night."""
    from dataclasses import replace

    from customer360.attribution import markov
    from customer360.attribution.config import of as attribution_of
    from customer360.dbt_runner import ROWS_AND_SUMS, count_tests, manifest_path, run_dbt
    from customer360.engines import open_engine
    from customer360.slices import placing
    from customer360.slices.state import read_state, write_state

    settings = Settings.from_env()
    with _measured(settings, night, "transform") as figures, open_engine(settings) as engine:
        without = ROWS_AND_SUMS["exclude"] + (" resource_type:seed" if night["is_slice"] else "")
        # Anew, or a seed that has another column now would not fit its table.
        anew = () if night["is_slice"] else ("--full-refresh",)
        if night["is_slice"]:
            placing.touch(engine)
            engine.release()
        nodes = run_dbt(
            settings, engine, "build", *anew, select=ROWS_AND_SUMS["select"], exclude=without, vars=_vars(night)
        ).nodes
        held = read_state(engine)
        if held is None:
            raise NightFailed("the engine was emptied while the night ran")
        whole = _vars(night | {"is_slice": False})
        if night["is_slice"]:
            manifest = manifest_path(settings)
            is_first_try = placing.merge(engine, placing.sliced(manifest))
            if not is_first_try:
                held = replace(held, publication_id=None)  # nobody knows any more what differs from what is served
            if is_first_try and night["since_time"] == _as_of(night).time().isoformat():
                placing.add(engine, placing.tallies(manifest))
            else:
                engine.release()
                nodes += run_dbt(settings, engine, "build", select="tag:tally", vars=whole).nodes
        markov.solve(engine, attribution_of(settings))
        engine.release()
        nodes += run_dbt(settings, engine, "build", select="tag:whole", vars=whole).nodes
        model = night["identity"]["linkage_model"]
        write_state(engine, replace(held, is_complete=True, linkage_model=model))
        figures["rows"] = len(nodes)
    return night | {"mart_nodes": len(nodes), "dbt_tests": count_tests(nodes, night["dbt_tests"])}


def propose(night: Night) -> Night:
    """The changed rows of every published mart, loaded as a candidate nobody is served yet."""
    from dataclasses import replace

    from customer360.dbt_runner import manifest_path
    from customer360.engines import open_engine
    from customer360.postgres import connect
    from customer360.publish import publication
    from customer360.publish.candidate import load as load_candidate
    from customer360.publish.marts import published_marts
    from customer360.publish.store import ensure
    from customer360.slices import placing
    from customer360.slices.state import read_state, write_state

    settings = Settings.from_env()
    with _measured(settings, night, "propose") as figures:
        marts = published_marts(manifest_path(settings))
        with connect(settings, application_name="c360 propose") as connection:
            ensure(connection, marts)
            served = publication.served(connection)
        with (
            open_engine(settings) as engine,
            connect(settings, application_name="c360 propose") as connection,
        ):
            run = _attempt(connection, night)
            held = read_state(engine)
            # What is served is what the engine's marts were before the slice was put in place.
            is_delta = bool(night["is_slice"] and held and served and held.publication_id == served.publication_id)
            gone = placing.gone(engine, placing.sliced(manifest_path(settings))) if is_delta else {}
            built, appended = ([m for m in marts if m.is_appended is kind] for kind in (False, True))
            tables = ((mart, placing.rows(engine, mart.name, mart.name in gone)) for mart in built)
            candidate = load_candidate(connection, run, settings.engine, tables, gone, appended)
            if held is not None:
                write_state(engine, replace(held, publication_id=candidate.publication_id))
        figures["rows"] = sum(change.changed_rows for change in candidate.changes.values())
        figures["rows_sent"] = sum(change.sent for change in candidate.changes.values())
        figures["bytes_sent"] = sum(change.bytes for change in candidate.changes.values())
    return night | {
        "publication_id": candidate.publication_id,
        "changes": {name: change.as_dict() for name, change in candidate.changes.items()},
    }


def audit(night: Night) -> Night:
    """The publication gate. A critical failure stops the night and leaves the old publication served."""
    from customer360.postgres import connect, serving_url
    from customer360.publish import publication
    from customer360.quality.candidate import audit as judge
    from customer360.quality.candidate import suites_mark

    settings = Settings.from_env()
    with _measured(settings, night, "audit"):
        candidate, suites = night["publication_id"], suites_mark(settings)
        with connect(settings, application_name="c360 audit") as connection:
            only_changes = publication.is_based_on_passed(connection, candidate, suites)
        changed_by = candidate if only_changes else None
        result = judge(settings, serving_url(settings), sorted(night["changes"]), _as_of(night), changed_by)
        text = "\n".join(str(failure) for failure in result.failures)
        warned = len(result.failures)
        tests = {"dbt": night["dbt_tests"], "expectations": {"passed": result.evaluated - warned, "warned": warned}}
        with connect(settings, application_name="c360 audit") as connection:
            run = _attempt(connection, night)
            publication.record_gate(connection, run, candidate, result.outcome, text, tests, suites=suites)
    if result.outcome == "fail":
        raise NightFailed(f"publication {night['publication_id']} is refused, the old one stays:\n{text}")
    judged = "what changed" if only_changes else "everything"
    return night | {"outcome": result.outcome, "evaluated": result.evaluated, "judged": judged, "text": text}


def publish(night: Night, approved: bool = True) -> Night:
    """One transaction makes the candidate what every reader sees, and marketing's tables what their models say."""
    from customer360.dbt_runner import manifest_path
    from customer360.marketing import schema
    from customer360.marketing.contract import marketing_tables
    from customer360.postgres import connect
    from customer360.publish.marts import published_marts

    settings = Settings.from_env()
    manifest = manifest_path(settings)
    tables, marts = marketing_tables(manifest), published_marts(manifest)
    with (
        _measured(settings, night, "publish"),
        connect(settings, application_name="c360 publish") as connection,
    ):
        run = _attempt(connection, night)
        schema.publish(connection, run, night["publication_id"], tables, marts, approved)
    return night


def run_night(as_of: datetime, trigger: str, approve: bool = False) -> Iterator[tuple[str, Night]]:
    """All steps in this process, yielding (step, night) as each ends.

    Raises NightFailed on a critical gate, and on warnings unless `approve`.
    """
    night = begin(as_of, trigger)
    yield "begin", night
    for step in (stage, identify, transform, propose, audit):
        night = step(night)
        yield step.__name__, night
    if night["outcome"] == "warn" and not approve:
        raise NightFailed(f"warnings need approval (--approve):\n{night['text']}")
    yield "publish", publish(night)


# Marketing ----------------------------------------------------------------------------------------


def export_files() -> dict[str, Any]:
    """The files of what is served, unless they are written already.

    Fails (NightFailed) after writing the others when a table does not fit a format; before the first publication
    there is nothing to do.
    """
    from customer360.exports.run import export_night
    from customer360.marketing.reading import NothingPublished

    try:
        made = export_night(Settings.from_env())
    except NothingPublished:
        return {"files": 0}
    if made.refused:
        raise NightFailed(f"{made.folder.name} is written, but not whole: " + "; ".join(made.refused))
    return {"folder": made.folder.name, "files": len(made.manifest["files"])}


def build_page() -> dict[str, str]:
    """The attribution page of what is served; before the first publication there is nothing to show."""
    from customer360.marketing.reading import NothingPublished
    from customer360.portal.build import build

    try:
        return {"page": str(build(Settings.from_env()))}
    except NothingPublished:
        return {}


def prune_exports(as_of: datetime, keep: timedelta = timedelta(days=30)) -> dict[str, int]:
    """Remove the files of nights older than `keep` before `as_of`; those of what is served stay."""
    from customer360.exports import run

    return {"folders": run.prune(Settings.from_env(), as_of - keep)}


# Maintenance --------------------------------------------------------------------------------------


def expire_batches(as_of: datetime) -> dict[str, int]:
    """Drop batches older than their source's retention: ledger first, then files."""
    from customer360 import ingest

    settings, config = _configured()
    return ingest.expire(settings, config, as_of)


def prune_publications(keep: int = 30) -> dict[str, int]:
    """Forget rows that only publications older than the newest `keep` showed."""
    from customer360.postgres import connect
    from customer360.publish import publication

    with connect(Settings.from_env(), application_name="c360 prune") as connection:
        return publication.prune(connection, keep)


def expire_snapshots(keep: timedelta = timedelta(days=7)) -> dict[str, int]:
    """Remove files of the engine that only show what its tables were more than `keep` ago, by the clock."""
    from customer360.engines import open_engine

    with open_engine(Settings.from_env()) as engine:
        return {"files": engine.expire(datetime.now(UTC) - keep)}


def prune_reports(as_of: datetime, keep: timedelta = timedelta(days=30)) -> dict[str, int]:
    """Remove what the quality gates wrote of nights older than `keep` before `as_of`."""
    from customer360.quality import paths

    return {"results": paths.prune(Settings.from_env().local, as_of - keep)}


def check_freshness(now: datetime, max_age: timedelta) -> dict[str, str]:
    """Fails (Stale) when what is served was published for a night older than `max_age` before `now`."""
    from customer360.postgres import connect
    from customer360.publish import publication

    with connect(Settings.from_env(), application_name="c360 freshness") as connection:
        served = publication.served(connection)
    if served is None:
        raise Stale("nothing has been published yet")
    if served.as_of < now - max_age:
        raise Stale(f"publication {served.publication_id} is for {served.as_of:%Y-%m-%d %H:%M} UTC: too old")
    return {"publication_id": str(served.publication_id), "as_of": served.as_of.isoformat()}


# Shared -------------------------------------------------------------------------------------------


def _configured(*, check_connectors: bool = True, read_own: bool = True) -> tuple[Settings, SourcesConfig]:
    """The options as `load_sources` has them: what a step does not ask for need not be imported."""
    from customer360.sources import load_sources

    settings = Settings.from_env()
    return settings, load_sources(settings.sources, check_connectors, read_own)


def source_names() -> list[str]:
    """Names of the configured sources, in the file's order."""
    return list(_configured()[1].sources)


def source(name: str) -> Source:
    """One configured source. Raises KeyError."""
    return _configured()[1].sources[name]


def _as_of(night: Night) -> datetime:
    return datetime.fromisoformat(night["as_of"])


def _vars(night: Night) -> dict[str, Any]:
    from customer360.attribution.config import of as attribution_of
    from customer360.engines.base import SLICE
    from customer360.identity import names

    settings, config = _configured(check_connectors=False, read_own=False)
    as_of = _as_of(night)
    return attribution_of(settings).as_vars() | {
        "as_of": as_of.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "as_of_date": as_of.astimezone(config.timezone).date().isoformat(),
        "timezone": str(config.timezone),
        "lifecycle_rules": settings.lifecycle_rules,
        "currency": config.currency,
        "no_name": names.no_name_pattern(),
        "slice": SLICE if night["is_slice"] else "",
    }


def _attempt(connection: Any, night: Night) -> Run:
    """The step's own attempt: a retried task fences what its killed predecessor may still be doing."""
    from customer360.publish.runs import take_attempt

    return take_attempt(connection, night["run_id"], _as_of(night))


@contextmanager
def _measured(settings: Settings, night: Night, name: str) -> Iterator[dict[str, int]]:
    """Write what a step cost (CPU seconds with children, peak MB, rows, what was sent) to `ops.run_metrics`."""
    figures = {"rows": 0, "rows_sent": 0, "bytes_sent": 0}
    started, cpu = time.monotonic(), _cpu_s()
    yield figures
    from customer360.postgres import connect
    from customer360.publish.runs import stage_metric

    peak_kb = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak_kb = max(peak_kb, int(dbt_process.spent()[1] * 1024))
    with connect(settings, application_name="c360 metrics") as connection:
        stage_metric(
            connection,
            night["run_id"],
            name,
            rows=figures["rows"],
            rows_sent=figures["rows_sent"],
            bytes_sent=figures["bytes_sent"],
            cpu_s=_cpu_s() - cpu,
            peak_mb=peak_kb / 1024,
            seconds=time.monotonic() - started,
        )


def _cpu_s() -> float:
    return dbt_process.spent()[0] + sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
