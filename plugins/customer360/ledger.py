"""The ledger: one row per delivery, and for each: rows read = loaded + rejected + duplicate.

Rows count source records, not lake rows: a call of four legs that becomes one interaction is four
records loaded. A batch is active at a night when it was loaded by then and not yet superseded, so the
lake of any past night can be chosen again. How a delivery opens and closes: `deliveries.py`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

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
    connector: str
    sha256: str | None
    bytes: int | None
    attempt: int
    started_at: datetime
    finished_at: datetime | None


_COLUMNS = ", ".join(LedgerRow.__slots__)


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
    "batch_id is not null and status in ('loaded', 'replaced') and loaded_as_of <= %(as_of)s"
    " and (superseded_as_of is null or superseded_as_of > %(as_of)s)"
)


def active_files(
    connection: Connection,
    settings: Settings,
    as_of: datetime,
    source: str | None = None,
    besides: str | None = None,
) -> list[LakeFile]:
    """Parquet files of every batch active at `as_of`, in a stable order; quarantine left out.

    `besides` leaves out what a path holds. Batches that retention has dropped are gone from past nights too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"select source, batch_id, entity_rows from ops.ledger where {_ACTIVE}"
            " and (%(source)s is null or source = %(source)s) and (%(besides)s is null or path <> %(besides)s)"
            " order by source, ledger_id",
            {"as_of": as_of, "source": source, "besides": besides},
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


def dropped(connection: Connection) -> set[tuple[str, str]]:
    """(source, batch_id) of every batch that retention has dropped and no delivery holds any more: content moves
    to another name when its first one is replaced."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select source, batch_id from ops.ledger where batch_id is not null"
            " group by source, batch_id having bool_and(status = 'expired')"
        )
        return set(cursor.fetchall())


def lake_path(lake: str, source: str, entity: str, batch_id: str) -> str:
    """Absolute local path or URL of one Parquet file."""
    root = lake if "://" in lake else str(Path(lake).absolute())
    return posixpath.join(root, source, entity, f"{batch_id}.parquet")
