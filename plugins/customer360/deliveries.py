"""How a delivery opens and closes in the ledger: one winner, whoever was killed or is still alive.

`start` gives a Ticket whose attempt number fences every older attempt; `claim` takes the source's lock
until the caller's transaction ends, so that files get their names and rows their status together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from customer360 import ledger
from customer360.ledger import LedgerRow

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_LOCK_TIMEOUT: Final = "5min"  # others hold it while files are renamed, which takes a while on object storage


class Superseded(Exception):
    """A newer attempt took this delivery over; this one must write nothing."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A delivery that was found: its name, its bytes, and the folder whose new members it is."""

    source: str
    connector: str
    path: str
    sha256: str
    size: int
    mtime: float
    folder: str | None = None


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


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member as the delivery that loaded it saw it."""

    sha256: str
    size: int
    mtime: float
    ledger_id: int


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


# What is known ------------------------------------------------------------------------------------


def known_stats(connection: Connection, source: str) -> dict[str, tuple[int, float, str]]:
    """Newest delivery of every path: {path: (bytes, modified_at, status)}."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct on (path) path, bytes, modified_at, status from ops.ledger"
            " where source = %s and sha256 is not null order by path, ledger_id desc",
            (source,),
        )
        return {path: tuple(rest) for path, *rest in cursor}


def known_members(connection: Connection, source: str, folder: str) -> dict[str, KnownMember]:
    """Members of a folder already loaded, by path."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select path, sha256, bytes, modified_at, ledger_id from ops.ledger_member"
            " where source = %s and starts_with(path, %s)",
            (source, f"{folder}/"),
        )
        return {path: KnownMember(*rest) for path, *rest in cursor}


def moved(connection: Connection, source: str, moves: Sequence[tuple[str, Member, int]]) -> None:
    """Members that only changed their name: (old path, as it is now, the delivery that loaded it)."""
    with connection.cursor() as cursor:
        for old, member, ledger_id in moves:
            cursor.execute("delete from ops.ledger_member where source = %s and path = %s", (source, old))
            _remember(cursor, source, member, ledger_id)
    connection.commit()


def note(
    connection: Connection,
    source: str,
    connector: str,
    path: str,
    as_of: datetime,
    status: str,
    reason: str,
    detail: str | None = None,
) -> None:
    """Say of a path that was not read why: 'waiting' (still being written) or 'failed'."""
    with connection.cursor() as cursor:
        _forget_notes(cursor, source, path)
        cursor.execute(
            "insert into ops.ledger (source, path, connector, status, reason, detail, loaded_as_of)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (source, path, connector, status, reason, detail, as_of),
        )
    connection.commit()


def forget_notes(connection: Connection, source: str, path: str) -> None:
    """What `note` said of a path no longer holds."""
    with connection.cursor() as cursor:
        _forget_notes(cursor, source, path)
    connection.commit()


def newest_of_folder(connection: Connection, source: str, folder: str) -> LedgerRow | None:
    """The last delivery of a folder's members."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select max(ledger_id) from ops.ledger where source = %s and sha256 is not null and starts_with(path, %s)",
            (source, f"{folder}/#"),
        )
        (ledger_id,) = cursor.fetchone() or (None,)
    return None if ledger_id is None else ledger.row(connection, ledger_id)


# Opening ------------------------------------------------------------------------------------------


def start(connection: Connection, offer: Offer, as_of: datetime) -> Ticket | LedgerRow:
    """Open a delivery, taking over a dead attempt's.

    Returns a Ticket to load it, or the finished row when nothing is to be done: the same bytes are
    loaded already, under this name or another, or were dropped by retention.
    """
    with connection.cursor() as cursor:
        _lock(cursor, offer.source)
        _forget_notes(cursor, offer.source, offer.path)
        newest = _newest(cursor, offer)
        loaded = _loaded_elsewhere(cursor, offer)
        done: int | None = None
        ticket: Ticket | None = None
        if newest is not None and (newest[1] == "expired" or (loaded and newest[1] in {"loaded", "duplicate"})):
            done = newest[0]
            _touch(cursor, done, offer)
        elif loaded is None:
            is_open = newest is not None and newest[1] in {"loading", "failed", "rejected"}
            ticket = _take_over(cursor, newest[0], offer, as_of) if newest and is_open else _open(cursor, offer, as_of)
            _fence_others(cursor, offer, ticket.ledger_id)
        else:
            done = _duplicate(cursor, offer, as_of, loaded)
    connection.commit()
    return ticket or ledger.row(connection, done or 0)


def _newest(cursor: Any, offer: Offer) -> tuple[int, str] | None:
    """(ledger_id, status) of the path's newest delivery, if it had the bytes of `offer`."""
    cursor.execute(
        "select ledger_id, status, sha256 from ops.ledger where source = %s and path = %s and sha256 is not null"
        " order by ledger_id desc limit 1",
        (offer.source, offer.path),
    )
    found = cursor.fetchone()
    return (found[0], found[1]) if found and found[2] == offer.sha256 else None


def _loaded_elsewhere(cursor: Any, offer: Offer, besides: int = 0) -> int | None:
    """The delivery that holds the bytes of `offer` now."""
    cursor.execute(
        "select ledger_id from ops.ledger where source = %s and sha256 = %s and status = 'loaded' and ledger_id <> %s",
        (offer.source, offer.sha256, besides),
    )
    found = cursor.fetchone()
    return found[0] if found else None


def _open(cursor: Any, offer: Offer, as_of: datetime) -> Ticket:
    batch_id = _batch_id(cursor, offer)
    cursor.execute(
        "insert into ops.ledger (source, path, sha256, batch_id, connector, status, bytes, modified_at, loaded_as_of)"
        " values (%s, %s, %s, %s, %s, 'loading', %s, %s, %s) returning ledger_id",
        (offer.source, offer.path, offer.sha256, batch_id, offer.connector, offer.size, offer.mtime, as_of),
    )
    return Ticket(cursor.fetchone()[0], 1, batch_id)


def _batch_id(cursor: Any, offer: Offer) -> str:
    """First 32 hex digits of the content's hash, numbered when the same content comes back after it
    was replaced."""
    cursor.execute(
        "select count(*) from ops.ledger where source = %s and sha256 = %s and status in ('replaced', 'expired')",
        (offer.source, offer.sha256),
    )
    (before,) = cursor.fetchone()
    return offer.sha256[:32] if not before else f"{offer.sha256[:32]}-{before + 1}"


def _take_over(cursor: Any, ledger_id: int, offer: Offer, as_of: datetime) -> Ticket:
    cursor.execute(
        "update ops.ledger set attempt = attempt + 1, status = 'loading', reason = null, detail = null,"
        " rows_read = 0, rows_loaded = 0, rows_rejected = 0, rows_duplicate = 0, rows_cleaned = 0,"
        " connector = %s, modified_at = %s, loaded_as_of = %s, started_at = clock_timestamp(), finished_at = null"
        " where ledger_id = %s returning attempt, batch_id",
        (offer.connector, offer.mtime, as_of, ledger_id),
    )
    attempt, batch_id = cursor.fetchone()
    return Ticket(ledger_id, attempt, batch_id)


def _fence_others(cursor: Any, offer: Offer, ledger_id: int) -> None:
    """Attempts at what the name, or the folder, held before: dead, or about to find themselves superseded."""
    cursor.execute(
        "update ops.ledger set status = 'failed', reason = 'abandoned', attempt = attempt + 1,"
        " detail = 'a newer delivery took its place', finished_at = clock_timestamp()"
        " where source = %s and status = 'loading' and ledger_id <> %s and (path = %s or starts_with(path, %s))",
        (offer.source, ledger_id, offer.path, f"{offer.folder}/#" if offer.folder else None),
    )


def _touch(cursor: Any, ledger_id: int, offer: Offer) -> None:
    """Same bytes, another time stamp: next time it need not be read to see that."""
    cursor.execute("update ops.ledger set modified_at = %s where ledger_id = %s", (offer.mtime, ledger_id))


def _duplicate(cursor: Any, offer: Offer, as_of: datetime, original: int) -> int:
    cursor.execute(
        "insert into ops.ledger (source, path, sha256, connector, status, bytes, modified_at, loaded_as_of)"
        " values (%s, %s, %s, %s, 'duplicate', %s, %s, %s) returning ledger_id",
        (offer.source, offer.path, offer.sha256, offer.connector, offer.size, offer.mtime, as_of),
    )
    (ledger_id,) = cursor.fetchone()
    _close_as_duplicate(cursor, ledger_id, original)
    _supersede(cursor, offer.source, offer.path, ledger_id, as_of)  # the name now stands for other bytes
    return int(ledger_id)


# Closing ------------------------------------------------------------------------------------------


def claim(connection: Connection, ticket: Ticket, offer: Offer) -> int | None:
    """Take the source's lock until the transaction ends, and check that `ticket` still counts.

    Returns the delivery that loaded the same bytes meanwhile, under another name. Raises Superseded.
    """
    with connection.cursor() as cursor:
        _lock(cursor, offer.source)
        cursor.execute("select attempt, status from ops.ledger where ledger_id = %s for update", (ticket.ledger_id,))
        if cursor.fetchone() != (ticket.attempt, "loading"):
            raise Superseded(f"delivery {ticket.ledger_id}: attempt {ticket.attempt} is not the newest")
        return _loaded_elsewhere(cursor, offer, besides=ticket.ledger_id)


def finish(
    connection: Connection,
    ticket: Ticket,
    offer: Offer,
    outcome: Outcome,
    as_of: datetime,
    members: Sequence[Member] = (),
) -> LedgerRow:
    """Close a claimed delivery, and commit. A loaded file supersedes what its name held before."""
    with connection.cursor() as cursor:
        if outcome.status == "loaded":
            _supersede(cursor, offer.source, offer.path, ticket.ledger_id, as_of)
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
                _remember(cursor, offer.source, member, ticket.ledger_id)
    connection.commit()
    return ledger.row(connection, ticket.ledger_id)


def finish_as_duplicate(
    connection: Connection, ticket: Ticket, offer: Offer, as_of: datetime, original: int
) -> LedgerRow:
    """Close a claimed delivery whose bytes another name loaded meanwhile, and commit."""
    with connection.cursor() as cursor:
        _close_as_duplicate(cursor, ticket.ledger_id, original)
        _supersede(cursor, offer.source, offer.path, ticket.ledger_id, as_of)
    connection.commit()
    return ledger.row(connection, ticket.ledger_id)


def _close_as_duplicate(cursor: Any, ledger_id: int, original: int) -> None:
    cursor.execute(
        "update ops.ledger d set status = 'duplicate', reason = 'same_content', batch_id = null,"
        " rows_read = o.rows_read, rows_loaded = 0, rows_rejected = 0, rows_duplicate = o.rows_read,"
        " finished_at = clock_timestamp() from ops.ledger o where d.ledger_id = %s and o.ledger_id = %s",
        (ledger_id, original),
    )


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
        " rows_cleaned = old.rows_cleaned, entity_rows = old.entity_rows, loaded_as_of = %s"
        " from ops.ledger old where old.ledger_id = %s and heir.ledger_id = ("
        "   select max(d.ledger_id) from ops.ledger d where d.source = %s and d.sha256 = %s and d.path <> %s"
        "   and d.status = 'duplicate' and not exists (select 1 from ops.ledger n where n.source = d.source"
        "     and n.path = d.path and n.sha256 is not null and n.ledger_id > d.ledger_id))",
        (as_of, replaced[0], source, replaced[1], path),
    )


# Shared -------------------------------------------------------------------------------------------


def _lock(cursor: Any, source: str) -> None:
    """One ledger decision at a time per source."""
    cursor.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
    cursor.execute("select pg_advisory_xact_lock(hashtext('c360 ledger'), hashtext(%s))", (source,))


def _remember(cursor: Any, source: str, member: Member, ledger_id: int) -> None:
    cursor.execute(
        "insert into ops.ledger_member values (%s, %s, %s, %s, %s, %s) on conflict (source, path)"
        " do update set sha256 = excluded.sha256, bytes = excluded.bytes,"
        " modified_at = excluded.modified_at, ledger_id = excluded.ledger_id",
        (source, member.path, member.sha256, member.size, member.mtime, ledger_id),
    )


def _forget_notes(cursor: Any, source: str, path: str) -> None:
    cursor.execute("delete from ops.ledger where source = %s and path = %s and sha256 is null", (source, path))
