"""From landing to lake: find what is new, read it, judge it, write it, account for it.

A file that cannot be read, or whose content the raw gate refuses, is said in the ledger and does not
stop the others; only a source with `on_failure: stop` stops the night.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from customer360 import deliveries, ledger
from customer360.connectors import registry
from customer360.connectors.base import UnreadableFile
from customer360.deliveries import KnownMember, Member, Offer, Outcome, Ticket
from customer360.files import Landing, Stat, delivery, folder_sha256
from customer360.lake import LakeWriter, remove, sweep
from customer360.ledger import LedgerRow
from customer360.postgres import connect
from customer360.quality.gate import Failure, GateResult
from customer360.sampling import Sample
from customer360.settings import Settings
from customer360.sources import OwnIdentities, Source, SourcesConfig

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Gate = Callable[[Source, Mapping[str, pa.Table]], GateResult]
# JSON, small whatever the folder's size: {"path", "sha256", "size", "mtime", "folder": path or None}
Reference = dict[str, Any]

GATE_ROWS: Final = 200_000  # per table; of a larger delivery, an even sample
_LEFTOVER_AGE: Final = timedelta(days=1)


class GateStopped(Exception):
    """The raw gate of a source with `on_failure: stop` refused a delivery."""

    def __init__(self, source: str, path: str, failures: Sequence[Failure]) -> None:
        lines = "\n".join(str(failure) for failure in failures)
        super().__init__(f"{source}: {path} is refused and the source stops the night:\n{lines}")
        self.failures = tuple(failures)


def discover(settings: Settings, source: Source, as_of: datetime) -> list[Reference]:
    """Deliveries the ledger does not know: small, JSON-serialisable references in path order.

    A file that is still being written is noted as waiting, one that may not be read as failed. Deliveries
    that failed are offered again: the file may be the same, but the configuration may not.
    """
    landing = Landing(settings.landing)
    with connect(settings, application_name=f"c360 discover {source.name}") as connection:
        finder = _Finder(landing, connection, source, as_of)
        found = landing.find(source.location)
        folders = [path for path in found if landing.is_folder(path)]
        references = finder.files([path for path in found if path not in set(folders)])
        for folder in folders:
            members = finder.new_members(folder)
            if members:
                references.append(_folder_reference(folder, members))
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

    A folder is looked at again: what is new in it now is one delivery. Raises GateStopped, and
    deliveries.Superseded when another attempt has taken the delivery over.
    """
    landing = Landing(settings.landing)
    with connect(settings, application_name=f"c360 load {source.name}") as connection:
        members: list[Member] | None = None
        if reference.get("folder"):
            members = _Finder(landing, connection, source, as_of).new_members(reference["folder"])
            known = None if members else deliveries.newest_of_folder(connection, source.name, reference["folder"])
            if known is not None:
                return known  # an attempt before this one did it all
            reference = _folder_reference(reference["folder"], members) if members else reference
        offer = Offer(source.name, source.connector, **reference)
        ticket = deliveries.start(connection, offer, as_of)
        if isinstance(ticket, LedgerRow):
            return ticket
        others = ledger.active_files(connection, settings, as_of, source.name, besides=offer.path)
        connection.commit()
        sample = Sample(GATE_ROWS) if gate else None
        again = ticket.attempt > 1
        writer = LakeWriter(settings.lake, source.name, ticket.batch_id, as_of, others, sample, again=again)
        try:
            outcome = _read(landing, source, offer, members, own or OwnIdentities(), writer)
            failures: tuple[Failure, ...] = ()
            if outcome.status == "loaded" and gate and sample:
                outcome, failures = _judged(outcome, gate(source, sample.tables()))
            row = _close(connection, ticket, offer, outcome, as_of, members or (), writer)
        finally:
            writer.abort()  # nothing to do after a commit
    if failures and source.on_failure == "stop":
        raise GateStopped(source.name, offer.path, failures)
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
    """Drop batches older than their source's retention: out of the ledger's active set, then the files.

    Also removes files of batches that were dropped before (somebody may have been killed in between), and what
    attempts killed more than a day ago, by the clock, left in the lake.
    """
    with connect(settings, application_name="c360 expire") as connection:
        old = ledger.expired(connection, config, as_of)
        ledger.mark_expired(connection, [ledger_id for ledger_id, *_ in old], as_of)
        dropped = ledger.dropped(connection)
    leftovers = sweep(settings.lake, datetime.now(UTC) - _LEFTOVER_AGE)
    return {"batches": len(old), "files": remove(settings.lake, dropped), "leftovers": leftovers}


# Finding ------------------------------------------------------------------------------------------


class _Finder:
    """What of a source's landing files is new, as one connection's ledger knows it."""

    def __init__(self, landing: Landing, connection: Connection, source: Source, as_of: datetime) -> None:
        self.landing = landing
        self.connection = connection
        self.source = source
        self.as_of = as_of

    def files(self, paths: Sequence[str]) -> list[Reference]:
        known = deliveries.known_stats(self.connection, self.source.name)
        stats = self.landing.stats(paths)
        for path in paths:
            if path not in stats:
                self.note(path, "failed", "file_gone")
        fresh = {path: stat for path, stat in stats.items() if not _is_known(known.get(path), stat)}
        settled = self.landing.settled(fresh)
        references = []
        for path, stat in fresh.items():
            if path not in settled:
                self.note(path, "waiting", "still_being_written")
            elif sha256 := self.sha256(path):
                references.append(_reference(path, sha256, stat.size, stat.mtime))
        return references

    def new_members(self, folder: str) -> list[Member]:
        """The folder's files that no delivery has had. One that only changed its name (a mail that was read)
        is not new; one that stands there twice is, and its records are counted as duplicates."""
        known = deliveries.known_members(self.connection, self.source.name, folder)
        present = self.landing.members(folder)
        changed = {path: stat for path, stat in present.items() if not _is_same(known.get(path), stat)}
        settled = self.landing.settled(changed)
        if len(settled) < len(changed):
            self.note(folder, "waiting", "still_being_written", f"{len(changed) - len(settled)} of its files")
        else:
            deliveries.forget_notes(self.connection, self.source.name, folder)
        gone = {member.sha256: path for path, member in known.items() if path not in present}
        moves: list[tuple[str, Member, int]] = []
        new: list[Member] = []
        for path in sorted(settled):
            sha256 = self.sha256(path)
            if sha256 is None:
                continue
            member = Member(path, sha256, changed[path].size, changed[path].mtime)
            if path in known and known[path].sha256 == sha256:  # touched
                gone[sha256] = path
            if sha256 in gone:
                old = gone.pop(sha256)
                moves.append((old, member, known[old].ledger_id))
            else:
                new.append(member)
        deliveries.moved(self.connection, self.source.name, moves)
        return new

    def sha256(self, path: str) -> str | None:
        """None, and a note in the ledger, for a file that cannot be opened."""
        try:
            return self.landing.sha256(path)
        except FileNotFoundError:
            self.note(path, "failed", "file_gone")
        except PermissionError:
            self.note(path, "failed", "not_permitted")
        return None

    def note(self, path: str, status: str, reason: str, detail: str | None = None) -> None:
        deliveries.note(
            self.connection, self.source.name, self.source.connector, path, self.as_of, status, reason, detail
        )


def _is_known(known: tuple[int, float, str] | None, stat: Stat) -> bool:
    """Loaded before and untouched since: no need to read it to see."""
    return known is not None and known[:2] == (stat.size, stat.mtime) and known[2] in {"loaded", "duplicate", "expired"}


def _is_same(known: KnownMember | None, stat: Stat) -> bool:
    return known is not None and (known.size, known.mtime) == (stat.size, stat.mtime)


def _reference(path: str, sha256: str, size: int, mtime: float, folder: str | None = None) -> Reference:
    return {"path": path, "sha256": sha256, "size": size, "mtime": mtime, "folder": folder}


def _folder_reference(folder: str, members: Sequence[Member]) -> Reference:
    sha256 = folder_sha256((member.path, member.sha256, member.mtime) for member in members)
    size, newest = sum(member.size for member in members), max(member.mtime for member in members)
    return _reference(f"{folder}/#{sha256[:12]}", sha256, size, newest, folder)


# Reading ------------------------------------------------------------------------------------------


def _read(
    landing: Landing,
    source: Source,
    offer: Offer,
    members: Sequence[Member] | None,
    own: OwnIdentities,
    writer: LakeWriter,
) -> Outcome:
    """Run the connector into the writer. What is wrong with the file is its outcome; what is wrong with the
    machine (disk, network, memory) raises, so that the task is tried again."""
    paths = [offer.path] if members is None else [member.path for member in members]
    try:
        if not paths:
            raise UnreadableFile("file_gone", "none of the folder's new files is left")
        if not offer.size and members is None:
            raise UnreadableFile("empty_file", "0 bytes")
        for batch in registry.get(source.connector).read(delivery(landing, offer.path, paths), source, own):
            writer.add(batch)
        _refuse_changed(landing, offer, members)
    except UnreadableFile as error:
        return Outcome("failed", reason=error.reason, detail=error.detail)
    except Exception as error:  # a connector's own mistake must not stop the other files
        if len(landing.stats(paths)) < len(paths):
            return Outcome("failed", reason="file_gone", detail="removed before it was read")
        if _is_machine(error):
            raise
        return Outcome("failed", reason="connector_error", detail=_place(error))
    writer.finish()
    return Outcome(
        "loaded",
        rows_read=writer.rows_read,
        rows_rejected=writer.rows_rejected,
        rows_duplicate=writer.rows_duplicate,
        rows_cleaned=writer.rows_cleaned,
    )


def _refuse_changed(landing: Landing, offer: Offer, members: Sequence[Member] | None) -> None:
    """Raises UnreadableFile if what was read is not what was found: the ledger names bytes by their hash."""
    expected = members if members is not None else [Member(offer.path, offer.sha256, offer.size, offer.mtime)]
    for member in expected:
        if landing.stat(member.path) == Stat(member.size, member.mtime):
            continue
        if landing.sha256(member.path) != member.sha256:
            raise UnreadableFile("changed_while_read", "it will be read again")


def _is_machine(error: Exception) -> bool:
    """Not the file's fault. Arrow raises OSError without a number for bytes it cannot decode."""
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, MemoryError | duckdb.Error)


def _place(error: Exception) -> str:
    """Kind and place of an error; its text may quote a record."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def _judged(outcome: Outcome, result: GateResult) -> tuple[Outcome, tuple[Failure, ...]]:
    """What the raw gate makes of a delivery that was read well."""
    detail = "; ".join(str(failure) for failure in result.failures) or None
    if result.outcome == "fail":
        refused = Outcome("rejected", outcome.rows_read, outcome.rows_read, reason="raw_gate", detail=detail)
        return refused, result.failures
    if detail:
        outcome.reason, outcome.detail = "warnings", detail
    return outcome, ()


def _close(
    connection: Connection,
    ticket: Ticket,
    offer: Offer,
    outcome: Outcome,
    as_of: datetime,
    members: Sequence[Member],
    writer: LakeWriter,
) -> LedgerRow:
    """Names for the files and a status for the ledger's row, under one lock."""
    original = deliveries.claim(connection, ticket, offer)
    if outcome.status == "loaded":
        if original is not None:
            return deliveries.finish_as_duplicate(connection, ticket, offer, as_of, original)
        outcome.entity_rows = writer.commit()
    return deliveries.finish(connection, ticket, offer, outcome, as_of, members)
