"""What people decided: that two records are one person's (`must_link`) or two persons' (`cannot_link`).

Decisions are about records, whose keys never change, not about customers. None is ever deleted: the newest
on a pair stands. A decision counts from the first night that begins after it, so a past night is told again
as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2 import sql

from customer360.copying import copy_out

KINDS = ("must_link", "cannot_link")
DDL: list[str] = [
    """
    create table if not exists ops.identity_decision (
        decision_id bigint generated always as identity primary key,
        kind text not null check (kind in ('must_link', 'cannot_link')),
        record_key_a bigint not null,
        record_key_b bigint not null,
        leaving bigint check (leaving in (record_key_a, record_key_b)),
        reviewer text not null check (reviewer <> ''),
        reason text not null check (reason <> ''),
        decided_at timestamptz not null default clock_timestamp(),
        after_as_of timestamptz not null,
        check (record_key_a < record_key_b)
    )
    """,
    "create index if not exists identity_decision_pair on ops.identity_decision (record_key_a, record_key_b)",
]
STANDING = pa.schema(
    [
        ("decision_id", pa.int64()),
        ("kind", pa.string()),
        ("record_key_a", pa.int64()),
        ("record_key_b", pa.int64()),
        ("leaving", pa.int64()),
        ("is_overruled", pa.bool_()),
    ]
)
PAIRS = pa.schema([("record_key_a", pa.int64()), ("record_key_b", pa.int64()), ("is_new", pa.bool_())])


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that was taken. `overrules`: older ones on other pairs that it contradicts."""

    decision_id: int
    overrules: tuple[int, ...]


def ordered(record: int, other: int) -> tuple[int, int]:
    """A pair of records as it is stored. Raises ValueError for a record and itself."""
    if record == other:
        raise ValueError("a decision needs two different records")
    return min(record, other), max(record, other)


def decide(
    cursor: Any, kind: str, record: int, other: int, reviewer: str, reason: str, *, leaving: int | None = None
) -> Decision:
    """Take a decision; the caller commits.

    `leaving`: the record that goes where a cannot_link could part the two on either side of what they share.
    Raises ValueError for an unknown kind, one record, or a blank reviewer or reason; and when a night begins at
    this very moment, for then nobody can say from which night the decision counts.
    """
    if kind not in KINDS:
        raise ValueError(f"a decision is one of {', '.join(KINDS)}")
    if not reviewer.strip() or not reason.strip():
        raise ValueError("a decision needs a reviewer and a reason")
    pair = ordered(record, other)
    before = _overruled(standing(cursor))
    cursor.execute(
        "insert into ops.identity_decision (kind, record_key_a, record_key_b, leaving, reviewer, reason, after_as_of)"
        " values (%s, %s, %s, %s, %s, %s, %s) returning decision_id",
        (kind, *pair, leaving, reviewer.strip(), reason.strip(), _newest_night(cursor)),
    )
    (decision_id,) = cursor.fetchone()
    return Decision(decision_id, tuple(sorted(_overruled(standing(cursor)) - before)))


def _newest_night(cursor: Any) -> datetime:
    """The newest night that has begun. Until the transaction ends no other one begins."""
    cursor.execute("set local lock_timeout = '10s'")
    try:
        cursor.execute("lock table ops.run in share mode")
    except psycopg2.errors.LockNotAvailable:
        raise ValueError("a night is beginning; decide again in a moment") from None
    cursor.execute(
        "select greatest((select max(greatest(from_as_of, to_as_of)) from ops.identity_assignment),"
        " (select max(as_of) from ops.run where state <> 'fenced'), 'epoch')"
    )
    found: datetime = cursor.fetchone()[0]
    return found


def standing(cursor: Any, as_of: datetime | None = None) -> pa.Table:
    """Decisions in force in the night of `as_of` (all nights to come if None), newest first: the newest on each
    pair. `is_overruled`: newer ones on other pairs contradict it, so it has no effect."""
    query = sql.SQL(
        "select decision_id, kind, record_key_a, record_key_b, leaving from ("
        " select distinct on (record_key_a, record_key_b) * from ops.identity_decision"
        " where {at}::timestamptz is null or after_as_of < {at}"
        " order by record_key_a, record_key_b, decision_id desc"
        ") as newest order by decision_id desc"
    ).format(at=sql.Literal(as_of))
    found = copy_out(cursor, query, pa.schema(list(STANDING)[:-1]))
    return found.append_column("is_overruled", pa.array(_contradicted(found.to_pylist()), pa.bool_()))


def touched_since(cursor: Any, since: datetime, as_of: datetime) -> pa.Table:
    """Pairs of all decisions in force in the night of `as_of`. `is_new`: it was not in force in that of `since`."""
    query = sql.SQL(
        "select record_key_a, record_key_b, bool_or(after_as_of >= {since}) from ops.identity_decision"
        " where after_as_of < {at} group by 1, 2"
    ).format(since=sql.Literal(since), at=sql.Literal(as_of))
    return copy_out(cursor, query, PAIRS)


def of_pair(cursor: Any, record: int, other: int) -> list[str]:
    """What was decided about two records, newest first: kind, who, when and why."""
    cursor.execute(
        "select decision_id, kind, reviewer, decided_at, reason from ops.identity_decision"
        " where (record_key_a, record_key_b) = (%s, %s) order by decision_id desc",
        (min(record, other), max(record, other)),
    )
    return [
        f"decision {number}: {kind}, {reviewer}, {decided_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {reason}"
        for number, kind, reviewer, decided_at, reason in cursor
    ]


def _contradicted(newest_first: Iterable[dict[str, Any]]) -> list[bool]:
    """Whether each decision contradicts newer ones: joins what they part, or parts what they join."""
    person: dict[int, int] = {}  # record → another that must be the same person's, towards the one that stands for all
    apart: dict[int, set[int]] = {}  # of those that stand for all, both ways

    def stands_for(record: int) -> int:
        while record in person:
            record = person[record]
        return record

    verdicts = []
    for each in newest_first:
        a, b = stands_for(each["record_key_a"]), stands_for(each["record_key_b"])
        if each["kind"] == "cannot_link":
            verdicts.append(a == b)
            if a != b:
                apart.setdefault(a, set()).add(b)
                apart.setdefault(b, set()).add(a)
            continue
        verdicts.append(b in apart.get(a, ()))
        if a != b and not verdicts[-1]:
            person[b] = a
            for other in apart.pop(b, set()):
                apart[other].remove(b)
                apart[other].add(a)
                apart.setdefault(a, set()).add(other)
    return verdicts


def _overruled(found: pa.Table) -> set[int]:
    return {row["decision_id"] for row in found.to_pylist() if row["is_overruled"]}
