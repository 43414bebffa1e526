"""From landing to lake: find what is new, read it, judge it, write it, account for it.

A file that cannot be read, or whose content the raw gate refuses, is said in the ledger and does not
stop the others; only a source with `on_failure: stop` stops the night.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import fsspec
import pyarrow as pa

from customer360 import ledger
from customer360.connectors import registry
from customer360.connectors.base import UnreadableFile
from customer360.files import (
    LOOK_AGAIN_S,
    SETTLED_AFTER_S,
    Landing,
    Stat,
    delivery,
    folder_sha256,
)
from customer360.lake import LakeWriter
from customer360.ledger import LedgerRow, Member, Outcome, Ticket
from customer360.postgres import connect
from customer360.quality.gate import Failure, GateResult
from customer360.settings import Settings
from customer360.sources import OwnIdentities, Source, SourcesConfig

Gate = Callable[[Source, Mapping[str, pa.Table]], GateResult]
Reference = dict[str, Any]  # JSON: {"path", "sha256", "size", "mtime", "members": [[path, sha256, size, mtime]]}

GATE_ROWS = 200_000  # per table; the first ones


class GateStopped(Exception):
    """The raw gate of a source with `on_failure: stop` refused a delivery."""

    def __init__(self, source: str, path: str, failures: Sequence[Failure]) -> None:
        lines = "\n".join(str(failure) for failure in failures)
        super().__init__(f"{source}: {path} is refused and the source stops the night:\n{lines}")
        self.failures = tuple(failures)


def discover(settings: Settings, source: Source, as_of: datetime) -> list[Reference]:
    """Deliveries the ledger does not know: small, JSON-serialisable references in path order.

    A file that is still being written is noted as waiting. Deliveries that failed are offered again:
    the file may be the same, but the configuration may not.
    """
    landing = Landing(settings.landing)
    with connect(settings, application_name="c360 discover") as connection:
        found = landing.find(source.location)
        folders = [path for path in found if landing.is_folder(path)]
        files = [path for path in found if path not in set(folders)]
        known = ledger.known_stats(connection, source.name)
        stats = {path: landing.stat(path) for path in files}
        fresh = [path for path in files if not _is_known(known.get(path), stats[path])]
        settled = _settled(landing, {path: stats[path] for path in fresh})
        for path in fresh:
            if path not in settled:
                ledger.wait(connection, source.name, source.connector, path, as_of)
        references = [_file_reference(landing, path, stats[path]) for path in fresh if path in settled]
        for folder in folders:
            references += _folder_reference(landing, folder, *ledger.known_members(connection, source.name))
    return references


def load(
    settings: Settings,
    source: Source,
    reference: Reference,
    as_of: datetime,
    own: OwnIdentities | None = None,
    gate: Gate | None = None,
) -> LedgerRow:
    """Load one delivery; returns its ledger row.

    Raises GateStopped, and ledger.Superseded when another attempt has taken the delivery over.
    """
    with connect(settings, application_name=f"c360 load {source.name}") as connection:
        ticket = ledger.start(
            connection,
            source.name,
            source.connector,
            reference["path"],
            reference["sha256"],
            reference["size"],
            reference["mtime"],
            as_of,
        )
        if isinstance(ticket, LedgerRow):
            return ticket
        others = ledger.active_files(connection, settings, as_of, source.name)
        connection.commit()
        writer = LakeWriter(settings.lake, source.name, ticket.batch_id, as_of, others)
        try:
            outcome, failures = _read(settings, source, reference, own or OwnIdentities(), gate, writer)
            with connection.cursor() as cursor:
                ledger.check(cursor, ticket)  # holds the row while the files get their names
            if outcome.status == "loaded":
                outcome.entity_rows = writer.commit()
        except BaseException:
            writer.abort()
            raise
        if outcome.status != "loaded":
            writer.abort()
        row = ledger.finish(connection, ticket, outcome, as_of, _members(reference))
    if failures and outcome.status == "rejected" and source.on_failure == "stop":
        raise GateStopped(source.name, reference["path"], failures)
    return row


def ingest_source(
    settings: Settings,
    source: Source,
    as_of: datetime,
    own: OwnIdentities | None = None,
    gate: Gate | None = None,
) -> list[LedgerRow]:
    """Discover and load every new delivery of one source, in this process."""
    return [load(settings, source, each, as_of, own, gate) for each in discover(settings, source, as_of)]


def expire(settings: Settings, config: SourcesConfig, as_of: datetime) -> dict[str, int]:
    """Drop batches older than their source's retention: out of the ledger's active set, then the files."""
    filesystem, _ = fsspec.core.url_to_fs(settings.lake)
    with connect(settings, application_name="c360 expire") as connection:
        old = ledger.expired(connection, config, as_of)
        ledger.mark_expired(connection, [ledger_id for ledger_id, *_ in old], as_of)
    files = 0
    for _, source, batch_id, entity_rows in old:
        for entity in entity_rows:
            path = ledger.lake_path(settings.lake, source, entity, batch_id)
            if filesystem.exists(path):
                filesystem.rm_file(path)
                files += 1
    return {"batches": len(old), "files": files}


def _read(
    settings: Settings,
    source: Source,
    reference: Reference,
    own: OwnIdentities,
    gate: Gate | None,
    writer: LakeWriter,
) -> tuple[Outcome, tuple[Failure, ...]]:
    """Run the connector into the writer, then the gate."""
    members = [member[0] for member in reference["members"]] if reference.get("members") else None
    connector = registry.get(source.connector)
    sample: dict[str, list[pa.Table]] = {}
    try:
        if not reference["size"]:
            raise UnreadableFile("empty_file", "0 bytes")
        for batch in connector.read(delivery(Landing(settings.landing), reference["path"], members), source, own):
            for entity, table in writer.add(batch).items():
                _keep(sample.setdefault(entity, []), table)
    except UnreadableFile as error:
        return Outcome("failed", reason=error.reason, detail=error.detail), ()
    result = gate(source, {name: pa.concat_tables(parts) for name, parts in sample.items()}) if gate else None
    detail = "; ".join(str(failure) for failure in result.failures) if result and result.failures else None
    if result is not None and result.outcome == "fail":
        refused = Outcome("rejected", writer.rows_read, writer.rows_read, reason="raw_gate", detail=detail)
        return refused, result.failures
    return Outcome(
        "loaded",
        rows_read=writer.rows_read,
        rows_rejected=writer.rows_rejected,
        rows_duplicate=writer.rows_duplicate,
        rows_cleaned=writer.rows_cleaned,
        reason="warnings" if detail else None,
        detail=detail,
    ), ()


def _keep(parts: list[pa.Table], table: pa.Table) -> None:
    room = GATE_ROWS - sum(part.num_rows for part in parts)
    if room > 0:
        parts.append(table.slice(0, room))


def _is_known(known: tuple[int, float, str, str] | None, stat: Stat) -> bool:
    """Loaded before and untouched since: no need to read it to see."""
    return known is not None and known[:2] == (stat.size, stat.mtime) and known[3] in {"loaded", "duplicate", "expired"}


def _settled(landing: Landing, stats: Mapping[str, Stat]) -> set[str]:
    """Files nobody is writing: untouched for a while, or unchanged between two looks."""
    now = time.time()
    recent = {path: stat for path, stat in stats.items() if now - stat.mtime <= SETTLED_AFTER_S}
    if recent:
        time.sleep(LOOK_AGAIN_S)
    return {path for path, stat in stats.items() if path not in recent or landing.stat(path) == stat}


def _file_reference(landing: Landing, path: str, stat: Stat) -> Reference:
    return {
        "path": path,
        "sha256": landing.sha256(path),
        "size": stat.size,
        "mtime": stat.mtime,
        "members": None,
    }


def _folder_reference(
    landing: Landing, folder: str, known: Mapping[str, tuple[int, float]], hashes: set[str]
) -> list[Reference]:
    """The folder's new members as one delivery; none if nothing is new.

    A member is new by content: a mail that only changed its name (a flag set) is not.
    """
    members: list[Member] = []
    seen = set(hashes)
    for path in landing.members(folder):
        stat = landing.stat(path)
        if known.get(path) == (stat.size, stat.mtime):
            continue
        sha256 = landing.sha256(path)
        if sha256 not in seen:
            seen.add(sha256)
            members.append(Member(path, sha256, stat.size, stat.mtime))
    if not members:
        return []
    sha256 = folder_sha256([(member.path, member.sha256) for member in members])
    return [
        {
            "path": f"{folder}/#{sha256[:12]}",
            "sha256": sha256,
            "size": sum(member.size for member in members),
            "mtime": max(member.mtime for member in members),
            "members": [[member.path, member.sha256, member.size, member.mtime] for member in members],
        }
    ]


def _members(reference: Reference) -> list[Member]:
    return [Member(*member) for member in reference.get("members") or ()]


__all__ = ["Gate", "GateStopped", "Ticket", "discover", "expire", "ingest_source", "load"]
