"""The ledger: one row per delivery, and for each: rows read = loaded + rejected + duplicate.

Rows count source records, not lake rows: a call of four legs that becomes one interaction is four
records loaded. A batch is active at a night when it was loaded by then and not yet superseded, so the
lake of any past night can be chosen again.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from customer360.engines.base import LakeFile

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from customer360.settings import Settings
    from customer360.sources import SourcesConfig

STATUSES = ("waiting", "loading", "loaded", "duplicate", "replaced", "failed", "rejected", "expired")

DDL: list[str] = [
    """
    create table if not exists ops.ledger (
        ledger_id bigint generated always as identity primary key,
        source text not null,
        path text not null,
        sha256 text,
        batch_id text,
        connector text not null,
        status text not null check (status in ('waiting', 'loading', 'loaded', 'duplicate', 'replaced',
            'failed', 'rejected', 'expired')),
        reason text,
        detail text,
        bytes bigint,
        modified_at double precision,
        rows_read bigint not null default 0,
        rows_loaded bigint not null default 0,
        rows_rejected bigint not null default 0,
        rows_duplicate bigint not null default 0,
        rows_cleaned bigint not null default 0,
        entity_rows jsonb not null default '{}',
        attempt bigint not null default 1,
        loaded_as_of timestamptz not null,
        superseded_as_of timestamptz,
        started_at timestamptz not null default clock_timestamp(),
        finished_at timestamptz,
        constraint ledger_rows_accounted check (rows_read = rows_loaded + rows_rejected + rows_duplicate)
    )
    """,
    "create index if not exists ledger_path on ops.ledger (source, path, ledger_id)",
    "create index if not exists ledger_content on ops.ledger (source, sha256)",
    "create unique index if not exists ledger_one_active on ops.ledger (source, path) where status = 'loaded'",
    """
    create table if not exists ops.ledger_member (
        source text not null,
        path text not null,
        sha256 text not null,
        bytes bigint not null,
        modified_at double precision not null,
        ledger_id bigint not null references ops.ledger (ledger_id),
        primary key (source, path)
    )
    """,
    "create index if not exists ledger_member_content on ops.ledger_member (source, sha256)",
]


class Superseded(Exception):
    """A newer attempt took this delivery over; this one must write nothing."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One delivery as the ledger shows it."""

    ledger_id: int
    source: str
    path: str
    status: str
    reason: str | None
    detail: str | None
    batch_id: str | None
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    rows_cleaned: int
    entity_rows: dict[str, int]
    loaded_as_of: datetime
    superseded_as_of: datetime | None


_COLUMNS = ", ".join(LedgerRow.__slots__)


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to load one delivery; void as soon as another attempt takes a newer one."""

    ledger_id: int
    attempt: int
    batch_id: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a folder delivery."""

    path: str
    sha256: str
    size: int
    mtime: float


@dataclass(slots=True)
class Outcome:
    """What a load came to."""

    status: str  # loaded | failed | rejected
    rows_read: int = 0
    rows_rejected: int = 0
    rows_duplicate: int = 0
    rows_cleaned: int = 0
    entity_rows: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    detail: str | None = None

    @property
    def rows_loaded(self) -> int:
        return self.rows_read - self.rows_rejected - self.rows_duplicate


def known_stats(connection: Connection, source: str) -> dict[str, tuple[int, float, str, str]]:
    """Newest delivery of every path: {path: (bytes, modified_at, sha256, status)}."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (path) path, bytes, modified_at, sha256, status from ops.ledger"
            " where source = %s and status <> 'waiting' order by path, ledger_id desc",
            (source,),
        )
        return {path: tuple(rest) for path, *rest in cursor}


def known_members(connection: Connection, source: str) -> tuple[dict[str, tuple[int, float]], set[str]]:
    """Members of folders already loaded: {path: (bytes, modified_at)}, and the set of their hashes."""
    with connection.cursor() as cursor:
        cursor.execute("select path, bytes, modified_at, sha256 from ops.ledger_member where source = %s", (source,))
        rows = cursor.fetchall()
    return {path: (size, mtime) for path, size, mtime, _ in rows}, {sha256 for *_, sha256 in rows}


def wait(connection: Connection, source: str, connector: str, path: str, as_of: datetime) -> None:
    """Note that a file is still being written and was left for a later night."""
    with connection.cursor() as cursor:
        cursor.execute("delete from ops.ledger where source = %s and path = %s and status = 'waiting'", (source, path))
        cursor.execute(
            "insert into ops.ledger (source, path, connector, status, reason, loaded_as_of)"
            " values (%s, %s, %s, 'waiting', 'still_being_written', %s)",
            (source, path, connector, as_of),
        )
    connection.commit()


def start(
    connection: Connection,
    source: str,
    connector: str,
    path: str,
    sha256: str,
    size: int,
    mtime: float,
    as_of: datetime,
) -> Ticket | LedgerRow:
    """Open a delivery, taking over a dead attempt's.

    Returns a Ticket to load it, or the finished row when nothing is to be done: the same bytes are
    loaded already, under this name or another.
    """
    with connection.cursor() as cursor:
        _lock(cursor, source)
        cursor.execute("delete from ops.ledger where source = %s and path = %s and status = 'waiting'", (source, path))
        cursor.execute(
            "select ledger_id, path, status from ops.ledger where source = %s and sha256 = %s"
            " and status in ('loading', 'loaded', 'failed', 'rejected') order by ledger_id desc",
            (source, sha256),
        )
        same = cursor.fetchall()
        loaded = next((ledger_id for ledger_id, _, status in same if status == "loaded"), None)
        mine = next((row for row in same if row[1] == path), None)
        if loaded is not None:
            row_id = loaded
            if mine is None or mine[2] != "loaded":
                row_id = _duplicate(cursor, source, connector, path, sha256, size, mtime, as_of, loaded)
            ticket = None
        elif mine is not None:
            ticket = _take_over(cursor, mine[0], source, sha256, as_of)
        else:
            ticket = _open(cursor, source, connector, path, sha256, size, mtime, as_of)
    connection.commit()
    return ticket or row(connection, row_id)


def finish(
    connection: Connection, ticket: Ticket, outcome: Outcome, as_of: datetime, members: Sequence[Member] = ()
) -> LedgerRow:
    """Close a delivery inside the caller's transaction, and commit it.

    A loaded file supersedes what its name held before. Raises Superseded if this attempt is not the
    newest any more.
    """
    with connection.cursor() as cursor:
        check(cursor, ticket)
        cursor.execute("select source, path from ops.ledger where ledger_id = %s", (ticket.ledger_id,))
        source, path = cursor.fetchone() or ("", "")
        _lock(cursor, source)
        if outcome.status == "loaded":
            _supersede(cursor, source, path, ticket.ledger_id, as_of)
        cursor.execute(
            "update ops.ledger set status = %s, reason = %s, detail = %s, rows_read = %s, rows_loaded = %s,"
            " rows_rejected = %s, rows_duplicate = %s, rows_cleaned = %s, entity_rows = %s, loaded_as_of = %s,"
            " finished_at = clock_timestamp() where ledger_id = %s",
            (
                outcome.status,
                outcome.reason,
                outcome.detail,
                outcome.rows_read,
                outcome.rows_loaded,
                outcome.rows_rejected,
                outcome.rows_duplicate,
                outcome.rows_cleaned,
                json.dumps(dict(outcome.entity_rows)),
                as_of,
                ticket.ledger_id,
            ),
        )
        if outcome.status == "loaded":
            for member in members:
                cursor.execute(
                    "insert into ops.ledger_member values (%s, %s, %s, %s, %s, %s) on conflict (source, path)"
                    " do update set sha256 = excluded.sha256, bytes = excluded.bytes,"
                    " modified_at = excluded.modified_at, ledger_id = excluded.ledger_id",
                    (source, member.path, member.sha256, member.size, member.mtime, ticket.ledger_id),
                )
    connection.commit()
    return row(connection, ticket.ledger_id)


def check(cursor: Any, ticket: Ticket) -> None:
    """Lock the delivery's row. Raises Superseded unless `ticket` is its newest attempt."""
    cursor.execute("select attempt, status from ops.ledger where ledger_id = %s for update", (ticket.ledger_id,))
    found = cursor.fetchone()
    if found != (ticket.attempt, "loading"):
        raise Superseded(f"delivery {ticket.ledger_id}: attempt {ticket.attempt} is not the newest")


def row(connection: Connection, ledger_id: int) -> LedgerRow:
    """One delivery. Raises LookupError."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {_COLUMNS} from ops.ledger where ledger_id = %s", (ledger_id,))
        found = cursor.fetchone()
    if found is None:
        raise LookupError(f"no delivery {ledger_id}")
    return LedgerRow(*found)


def ledger_rows(connection: Connection, source: str | None = None, limit: int | None = 200) -> list[LedgerRow]:
    """Newest deliveries first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {_COLUMNS} from ops.ledger where %s is null or source = %s order by ledger_id desc limit %s",
            (source, source, limit),
        )
        return [LedgerRow(*found) for found in cursor]


def night_totals(connection: Connection, source: str, as_of: datetime) -> dict[str, int]:
    """Sums over what the night of `as_of` did for `source`: files, rows_read, rows_loaded, …"""
    names = ("rows_read", "rows_loaded", "rows_rejected", "rows_duplicate")
    with connection.cursor() as cursor:
        cursor.execute(
            f"select count(*), {', '.join(f'coalesce(sum({name}), 0)::bigint' for name in names)}"
            " from ops.ledger where source = %s and loaded_as_of = %s",
            (source, as_of),
        )
        files, *sums = cursor.fetchone() or (0, 0, 0, 0, 0)
    return {"files": files, **dict(zip(names, sums, strict=True))}


_ACTIVE = (
    "batch_id is not null and status in ('loaded', 'replaced', 'expired') and loaded_as_of <= %(as_of)s"
    " and (superseded_as_of is null or superseded_as_of > %(as_of)s)"
)


def active_files(
    connection: Connection, settings: Settings, as_of: datetime, source: str | None = None
) -> list[LakeFile]:
    """Parquet files of every batch active at `as_of`, in a stable order; quarantine left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select source, batch_id, entity_rows from ops.ledger where {_ACTIVE}"
            " and (%(source)s is null or source = %(source)s) order by source, ledger_id",
            {"as_of": as_of, "source": source},
        )
        return [
            LakeFile(entity, name, batch_id, lake_path(settings.lake, name, entity, batch_id))
            for name, batch_id, entity_rows in cursor
            for entity, count in sorted(entity_rows.items())
            if count and entity != "rejected"
        ]


def expired(
    connection: Connection, config: SourcesConfig, as_of: datetime
) -> list[tuple[int, str, str, dict[str, int]]]:
    """Batches older than their source's retention: (ledger_id, source, batch_id, rows by entity).

    A source that left sources.yml keeps its batches: nothing is dropped by an oversight.
    """
    found: list[tuple[int, str, str, dict[str, int]]] = []
    with connection.cursor() as cursor:
        for source in config.sources.values():
            cursor.execute(
                "select ledger_id, source, batch_id, entity_rows from ops.ledger where source = %s"
                " and batch_id is not null and status in ('loaded', 'replaced') and loaded_as_of < %s",
                (source.name, as_of - timedelta(days=source.retention_days)),
            )
            found += cursor.fetchall()
    return found


def mark_expired(connection: Connection, ledger_ids: Sequence[int], as_of: datetime) -> None:
    """Take batches out of every night from `as_of` on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update ops.ledger set status = 'expired', superseded_as_of = least(superseded_as_of, %s)"
            " where ledger_id = any(%s)",
            (as_of, list(ledger_ids)),
        )
    connection.commit()


def lake_path(lake: str, source: str, entity: str, batch_id: str) -> str:
    return posixpath.join(lake, source, entity, f"{batch_id}.parquet")


def _lock(cursor: Any, source: str) -> None:
    """One ledger decision at a time per source."""
    cursor.execute("select pg_advisory_xact_lock(hashtext('c360 ledger'), hashtext(%s))", (source,))


def _open(
    cursor: Any, source: str, connector: str, path: str, sha256: str, size: int, mtime: float, as_of: datetime
) -> Ticket:
    cursor.execute(
        "insert into ops.ledger (source, path, sha256, batch_id, connector, status, bytes, modified_at, loaded_as_of)"
        " values (%s, %s, %s, %s, %s, 'loading', %s, %s, %s) returning ledger_id",
        (source, path, sha256, _batch_id(cursor, source, sha256), connector, size, mtime, as_of),
    )
    (ledger_id,) = cursor.fetchone()
    cursor.execute("select batch_id from ops.ledger where ledger_id = %s", (ledger_id,))
    return Ticket(ledger_id, 1, cursor.fetchone()[0])


def _batch_id(cursor: Any, source: str, sha256: str) -> str:
    """First 32 hex digits of the content's hash, numbered when the same content comes back after it
    was replaced."""
    cursor.execute(
        "select count(*) from ops.ledger where source = %s and sha256 = %s and status in ('replaced', 'expired')",
        (source, sha256),
    )
    (before,) = cursor.fetchone()
    return sha256[:32] if not before else f"{sha256[:32]}-{before + 1}"


def _take_over(cursor: Any, ledger_id: int, source: str, sha256: str, as_of: datetime) -> Ticket:
    cursor.execute(
        "update ops.ledger set attempt = attempt + 1, status = 'loading', reason = null, detail = null,"
        " rows_read = 0, rows_loaded = 0, rows_rejected = 0, rows_duplicate = 0, rows_cleaned = 0,"
        " loaded_as_of = %s, started_at = clock_timestamp(), finished_at = null,"
        " batch_id = coalesce(batch_id, %s) where ledger_id = %s returning attempt, batch_id",
        (as_of, _batch_id(cursor, source, sha256), ledger_id),
    )
    attempt, batch_id = cursor.fetchone()
    return Ticket(ledger_id, attempt, batch_id)


def _duplicate(
    cursor: Any,
    source: str,
    connector: str,
    path: str,
    sha256: str,
    size: int,
    mtime: float,
    as_of: datetime,
    original: int,
) -> int:
    cursor.execute(
        "insert into ops.ledger (source, path, sha256, connector, status, reason, bytes, modified_at, rows_read,"
        " rows_duplicate, loaded_as_of, finished_at)"
        " select %s, %s, %s, %s, 'duplicate', 'same_content', %s, %s, rows_read, rows_read, %s, clock_timestamp()"
        " from ops.ledger where ledger_id = %s returning ledger_id",
        (source, path, sha256, connector, size, mtime, as_of, original),
    )
    (ledger_id,) = cursor.fetchone()
    # The name now stands for other bytes than before.
    _supersede(cursor, source, path, ledger_id, as_of)
    return int(ledger_id)


def _supersede(cursor: Any, source: str, path: str, by: int, as_of: datetime) -> None:
    """What `path` held before is replaced; content that another name still delivers stays active there."""
    cursor.execute(
        "update ops.ledger set status = 'replaced', superseded_as_of = %s"
        " where source = %s and path = %s and status = 'loaded' and ledger_id <> %s returning ledger_id, sha256",
        (as_of, source, path, by),
    )
    replaced = cursor.fetchone()
    if replaced is None:
        return
    cursor.execute(
        "update ops.ledger heir set status = 'loaded', reason = 'took_over_content', batch_id = old.batch_id,"
        " rows_loaded = old.rows_loaded, rows_rejected = old.rows_rejected, rows_duplicate = old.rows_duplicate,"
        " entity_rows = old.entity_rows, loaded_as_of = %s"
        " from ops.ledger old where old.ledger_id = %s and heir.ledger_id = ("
        "   select max(d.ledger_id) from ops.ledger d where d.source = %s and d.sha256 = %s and d.path <> %s"
        "   and d.status = 'duplicate' and not exists (select 1 from ops.ledger n where n.source = d.source"
        "     and n.path = d.path and n.ledger_id > d.ledger_id))",
        (as_of, replaced[0], source, replaced[1], path),
    )
