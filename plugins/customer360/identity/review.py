"""The review queue: pairs of records that are possibly one person's, put before a person.

State of record in `ops.identity_review`. A pair is asked about once: what was decided about it, or waits already,
is not put into the queue again.

Two kinds of pairs come into it. `alike`: of two customers, possibly one person. `audit`: of one customer, drawn at
random; what people say of these estimates how often a customer is one person (decision 0017).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from psycopg2 import sql

from customer360.binary import copy_in
from customer360.identity import decisions
from customer360.identity.decisions import Decision

DDL: list[str] = [
    """
    create table if not exists ops.identity_review (
        review_id bigint generated always as identity primary key,
        record_key_a bigint not null,
        record_key_b bigint not null,
        probability double precision check (probability between 0 and 1),
        reason text not null,
        as_of timestamptz not null,
        status text not null default 'open' check (status in ('open', 'confirmed', 'rejected')),
        decision_id bigint references ops.identity_decision (decision_id),
        check (record_key_a < record_key_b),
        check ((status = 'open') = (decision_id is null))
    )
    """,
    "create unique index if not exists identity_review_open on ops.identity_review (record_key_a, record_key_b)"
    " where status = 'open'",
    # Pairs that a later night no longer found doubtful, before anybody had answered: a past night counts them still.
    """
    create table if not exists ops.identity_review_withdrawn (
        review_id bigint primary key,
        reason text not null,
        as_of timestamptz not null,
        withdrawn_as_of timestamptz not null
    )
    """,
]
PAIRS = pa.schema(
    [
        ("record_key_a", pa.int64()),
        ("record_key_b", pa.int64()),
        ("probability", pa.float64()),
        ("reason", pa.string()),
    ]
)
_DOUBTFUL = """
    select record_key_a, record_key_b, probability, 'alike' as reason
    from similarity where not is_link and not is_vetoed
"""
_STALE = f"""
    select review_id from waiting w
    semi join out_record a on w.record_key_a = a.record_key
    semi join out_record b on w.record_key_b = b.record_key
    anti join ({_DOUBTFUL}) d on w.record_key_a = d.record_key_a and w.record_key_b = d.record_key_b
    where not is_audit
    union all
    select review_id from waiting w
    join out_record a on w.record_key_a = a.record_key
    join out_record b on w.record_key_b = b.record_key
    where is_audit and a.customer_id <> b.customer_id
"""
AUDIT = "audit"
_AUDITED = 200  # records drawn of a company, at least; twice as many at most
_AUDIT_PERIOD = timedelta(days=365)  # whose answers count
# Keys are hashes: so many of a record's last bits are zero by chance. Its mate is drawn by another hash.
_DRAWN = """
    with described as (
        select r.record_key, r.customer_id from out_record r semi join record_profiles p on r.record_key = p.record_key
    ),
    mate as (
        select d.record_key, m.record_key as other,
            row_number() over (
                partition by d.record_key order by md5(d.record_key || ' ' || m.record_key), m.record_key
            ) as n
        from described d join described m on d.customer_id = m.customer_id and d.record_key <> m.record_key
        where d.record_key & {mask} = 0
    )
    select least(record_key, other), greatest(record_key, other), null::double, 'audit' from mate where n = 1
"""
_ANSWERS = {"must_link": "same", "cannot_link": "different"}
_STATUS = {"must_link": "confirmed", "cannot_link": "rejected"}
_COLUMNS = "review_id, record_key_a, record_key_b, probability, reason, as_of, status, decision_id"


@dataclass(frozen=True, slots=True)
class Review:
    """One pair of the queue. `reason`: what raised it, in the night of `as_of`."""

    review_id: int
    record_key_a: int
    record_key_b: int
    probability: float | None
    reason: str
    as_of: datetime
    status: str
    decision_id: int | None


def put(cursor: Any, as_of: datetime, pairs: pa.Table) -> int:
    """Put the pairs (as `PAIRS`) that a night found doubtful into the queue; how many were not there.

    The caller commits. The same night again leaves the queue as it is; what it no longer finds doubtful, and
    nobody has decided, is taken out again.
    """
    cursor.execute(
        "create temp table c360_review (record_key_a bigint, record_key_b bigint, probability double precision,"
        " reason text) on commit drop"
    )
    copy_in(cursor, sql.Identifier("c360_review"), pairs.select(PAIRS.names).cast(PAIRS))
    cursor.execute(
        "create temp table c360_asked on commit drop as"
        " select least(record_key_a, record_key_b) as record_key_a,"
        " greatest(record_key_a, record_key_b) as record_key_b,"
        ' max(probability) as probability, min(reason collate "C") as reason'
        " from c360_review where record_key_a <> record_key_b group by 1, 2"
    )
    cursor.execute(
        "delete from ops.identity_review r where as_of = %s and status = 'open' and not exists"
        " (select 1 from c360_asked where (record_key_a, record_key_b) = (r.record_key_a, r.record_key_b))",
        (as_of,),
    )
    cursor.execute(
        "insert into ops.identity_review (record_key_a, record_key_b, probability, reason, as_of)"
        " select record_key_a, record_key_b, probability, reason, %s from c360_asked a"
        " where not exists (select 1 from ops.identity_decision d"
        " where (d.record_key_a, d.record_key_b) = (a.record_key_a, a.record_key_b))"
        " order by probability desc nulls last, record_key_a, record_key_b"
        " on conflict (record_key_a, record_key_b) where status = 'open' do nothing",
        (as_of,),
    )
    added = int(cursor.rowcount)
    cursor.execute("drop table c360_review, c360_asked")
    return added


def ask(cursor: Any, workspace: Any, as_of: datetime) -> int:
    """Put the pairs that tonight are possibly, but not likely enough, one person's into the queue, and those that are
    drawn for the audit; take out those of its records that are no longer so. How many are new. The caller commits.

    `workspace` is the DuckDB connection of the identity step, with `similarity`, `out_record` and `record_profiles`.
    """
    waiting = open_pairs(cursor)
    columns = ("review_id", "record_key_a", "record_key_b")
    found = {name: pa.array([getattr(each, name) for each in waiting], pa.int64()) for name in columns}
    found["is_audit"] = pa.array([each.reason == AUDIT for each in waiting], pa.bool_())
    workspace.register("waiting", pa.table(found))
    stale = workspace.sql(_STALE).fetchall()
    cursor.execute(
        "with stale as (delete from ops.identity_review where review_id = any(%s) returning review_id, reason, as_of)"
        " insert into ops.identity_review_withdrawn select review_id, reason, as_of, %s from stale",
        ([number for (number,) in stale], as_of),
    )
    drawn = _DRAWN.format(mask=_mask(cursor, workspace, as_of))
    return put(cursor, as_of, workspace.sql(f"{_DOUBTFUL} union all ({drawn})").to_arrow_table())


def _mask(cursor: Any, workspace: Any, as_of: datetime) -> int:
    """Bits of a record's key that are zero in the records drawn: the more, the more customers there were before the
    night (in the first one, tonight), so that a slice and a full build draw alike."""
    cursor.execute("select count(*) from ops.customer where created_as_of < %s", (as_of,))
    (customers,) = cursor.fetchone()
    if not customers:
        ((customers,),) = workspace.sql("select count(*) from out_customer").fetchall()
    bits = max((int(customers) // _AUDITED).bit_length() - 1, 0)
    return (1 << bits) - 1


def figures(cursor: Any, as_of: datetime) -> dict[str, int]:
    """The queue as it stood in the night of `as_of`: pairs that wait by kind, the days that the oldest has waited, and
    what was answered; of audits only those drawn within a year."""
    cursor.execute(
        """
        select r.reason = 'audit' as is_audit, d.kind, count(*),
            extract(day from %(as_of)s - min(r.as_of))::bigint as days
        from (
            select reason, as_of, decision_id from ops.identity_review
            union all
            select reason, as_of, null from ops.identity_review_withdrawn where withdrawn_as_of > %(as_of)s
        ) r
        left join ops.identity_decision d on d.decision_id = r.decision_id and d.after_as_of < %(as_of)s
        where r.as_of <= %(as_of)s and (r.reason <> 'audit' or r.as_of > %(as_of)s - %(period)s)
        group by 1, 2
        """,
        {"as_of": as_of, "period": _AUDIT_PERIOD},
    )
    found = dict.fromkeys((f"{kind}_{what}" for kind in ("grey", AUDIT) for what in ("waiting", *_ANSWERS.values())), 0)
    found["oldest_waiting_days"] = 0
    for is_audit, kind, pairs, days in cursor:
        found[f"{AUDIT if is_audit else 'grey'}_{_ANSWERS.get(kind, 'waiting')}"] = pairs
        if kind is None:
            found["oldest_waiting_days"] = max(found["oldest_waiting_days"], days)
    return found


def open_pairs(cursor: Any, limit: int | None = None, audit: bool | None = None) -> list[Review]:
    """Pairs that wait, likeliest first, then those of the audit as they were drawn. `audit`: only these, or none."""
    cursor.execute(
        f"select {_COLUMNS} from ops.identity_review where status = 'open'"
        " and (%(audit)s::boolean is null or (reason = 'audit') = %(audit)s)"
        " order by probability desc nulls last, review_id limit %(limit)s",
        {"audit": audit, "limit": limit},
    )
    return [Review(*row) for row in cursor]


def find(cursor: Any, review_id: int) -> Review:
    """Raises ValueError for an id that is not in the queue."""
    cursor.execute(f"select {_COLUMNS} from ops.identity_review where review_id = %s", (review_id,))
    found = cursor.fetchone()
    if found is None:
        raise ValueError(f"no review {review_id}")
    return Review(*found)


def answer(cursor: Any, review_id: int, kind: str, reviewer: str, reason: str) -> Decision:
    """Decide about a pair of the queue: `kind` as in `decisions.KINDS`. The caller commits.

    Raises ValueError if it is not in the queue or no longer waits, and as `decisions.decide`.
    """
    cursor.execute("select 1 from ops.identity_review where review_id = %s for update", (review_id,))
    asked = find(cursor, review_id)
    if asked.status != "open":
        raise ValueError(f"review {review_id} is {asked.status} already, by decision {asked.decision_id}")
    return decide(cursor, kind, asked.record_key_a, asked.record_key_b, reviewer, reason)


def decide(
    cursor: Any, kind: str, record: int, other: int, reviewer: str, reason: str, *, leaving: int | None = None
) -> Decision:
    """`decisions.decide`, which also answers the pair in the queue if it waits there."""
    taken = decisions.decide(cursor, kind, record, other, reviewer, reason, leaving=leaving)
    cursor.execute(
        "update ops.identity_review set status = %s, decision_id = %s"
        " where (record_key_a, record_key_b) = (%s, %s) and status = 'open'",
        (_STATUS[kind], taken.decision_id, *decisions.ordered(record, other)),
    )
    return taken
