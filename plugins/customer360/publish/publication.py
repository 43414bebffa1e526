"""Publications: which is served, how the next becomes it, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from customer360.publish import restatements, store
from customer360.publish.runs import Run, committing


class PublicationRefused(RuntimeError):
    """A candidate that may not be published, or a publication that cannot be served again."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One publication as `c360 publications` shows it. `changes`: {mart: {total, inserted, …}}."""

    publication_id: int
    run_id: int
    as_of: datetime
    engine: str
    status: str
    gate: str | None
    changes: dict[str, dict[str, int]]
    published_at: datetime | None

    @property
    def changed_rows(self) -> int:
        kinds = ("inserted", "changed", "removed")
        return sum(change[kind] for change in self.changes.values() for kind in kinds)


_COLUMNS = ", ".join(f"p.{name}" for name in Publication.__slots__)


def record_gate(
    connection: Connection,
    run: Run,
    publication_id: int,
    outcome: str,
    text: str,
    tests: Mapping[str, Mapping[str, int]] | None = None,
    *,
    suites: str | None = None,
) -> None:
    """Note what the audit found; a 'fail' can never be published.

    `tests`: {"dbt" or "expectations": {"passed": …, "warned": …}}, what was tested of this candidate's data;
    `suites` names what judged it.
    """
    with committing(connection, run) as cursor:
        cursor.execute(
            "update ops.publication set gate = %s, gate_text = %s, tests = %s, suites = %s where publication_id = %s",
            (outcome, text, json.dumps(tests or {}), suites, publication_id),
        )


def is_based_on_passed(connection: Connection, publication_id: int, suites: str) -> bool:
    """Whether every row that the candidate does not change passed these suites: the candidate stands on what is
    served, which passed them without a warning."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) = 1 from ops.publication p join ops.publication_pointer at using (publication_id)"
            " where p.gate = 'pass' and p.suites = %s and not exists ("
            "   select 1 from ops.publication o where o.publication_id > p.publication_id and o.publication_id < %s"
            "   and o.status in ('published', 'superseded', 'rolled_back'))",
            (suites, publication_id),
        )
        return cursor.fetchone() == (True,)


def publish(
    connection: Connection,
    run: Run,
    publication_id: int,
    approved: bool = False,
    also: Callable[[Any], None] | None = None,
) -> None:
    """Serve the candidate from now on: one transaction, one updated row, and what `also` does with its cursor.

    Publishing what is served already changes nothing. Raises Fenced, and PublicationRefused when the
    candidate is not the newest, was not audited, failed, or has warnings nobody approved.
    """
    with committing(connection, run) as cursor:
        served_id, candidate_id = _pointer(cursor)
        if served_id == publication_id:
            return
        cursor.execute("select status, gate from ops.publication where publication_id = %s", (publication_id,))
        status, gate = cursor.fetchone() or (None, None)
        _refuse(publication_id, candidate_id, status, gate, approved)
        cursor.execute("update ops.publication set status = 'superseded' where publication_id = %s", (served_id,))
        cursor.execute(
            "update ops.publication set status = 'published', published_at = clock_timestamp()"
            " where publication_id = %s",
            (publication_id,),
        )
        cursor.execute("update ops.publication_pointer set publication_id = %s", (publication_id,))
        cursor.execute(
            "update ops.run set state = 'published', finished_at = clock_timestamp() where run_id = %s", (run.run_id,)
        )
        if also:
            also(cursor)


def _refuse(publication_id: int, candidate_id: int, status: str | None, gate: str | None, approved: bool) -> None:
    if status != "candidate" or candidate_id != publication_id:
        raise PublicationRefused(f"publication {publication_id} is {status or 'unknown'}, not the newest candidate")
    if gate is None:
        raise PublicationRefused(f"publication {publication_id} has not been audited")
    if gate == "fail" or (gate == "warn" and not approved):
        raise PublicationRefused(f"publication {publication_id}: the gate says {gate}")


def served(connection: Connection) -> Publication | None:
    """What readers see now; None before the first publication."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {_COLUMNS} from ops.publication p join ops.publication_pointer at using (publication_id)"
        )
        found = cursor.fetchone()
    return Publication(*found) if found else None


def publications(connection: Connection) -> list[Publication]:
    """All publications and candidates, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {_COLUMNS} from ops.publication p order by publication_id desc")
        return [Publication(*found) for found in cursor]


def rollback(connection: Connection, to: int | None = None) -> Publication:
    """Serve an earlier publication again; the newest superseded one by default.

    Raises PublicationRefused if there is none, or its rows are pruned.
    """
    with connection.cursor() as cursor:
        now, _ = _pointer(cursor)
        cursor.execute(
            "select max(publication_id) from ops.publication where status = 'superseded' and publication_id < %s"
            " and (%s is null or publication_id = %s)",
            (now, to, to),
        )
        (target,) = cursor.fetchone() or (None,)
        if target is None:
            raise PublicationRefused("there is no such earlier publication to go back to")
        cursor.execute(
            "update ops.publication set status = 'rolled_back' where publication_id > %s and publication_id <= %s"
            " and status in ('published', 'superseded')",
            (target, now),
        )
        cursor.execute("update ops.publication set status = 'published' where publication_id = %s", (target,))
        cursor.execute("update ops.publication_pointer set publication_id = %s", (target,))
    connection.commit()
    current = served(connection)
    if current is None:
        raise PublicationRefused(f"publication {target} is not there any more")
    return current


def content_hash(connection: Connection, mart: str, schema: str = "serving") -> str:
    """Hash of what a reader of the mart sees, whatever the order of its rows and of its columns."""
    row_hash = "('x' || left(md5(row({})::text), 16))::bit(64)::bigint"  # summed: no sort, no text of all rows
    with connection.cursor() as cursor:
        cursor.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 order by attname",
            (f'{schema}."{mart}"',),
        )
        columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in cursor)
        cursor.execute(
            sql.SQL(f"select md5(count(*) || ':' || coalesce(sum({row_hash}), 0)) from {{}}").format(
                columns, sql.Identifier(schema, mart)
            )
        )
        (found,) = cursor.fetchone() or ("",)
    return str(found)


def prune(connection: Connection, keep: int) -> dict[str, int]:
    """Forget rows that only publications before the newest `keep` showed; the served one always stays.

    Publications are marked first, so that nobody can go back to one while its rows are being removed.
    """
    with connection.cursor() as cursor:
        _pointer(cursor)
        horizon = _horizon(cursor, keep)
        cursor.execute(
            "update ops.publication set status = 'pruned' where publication_id < %s and status = 'superseded'",
            (horizon,),
        )
    connection.commit()
    removed = 0
    with connection.cursor() as cursor:
        for mart in store.published(cursor):
            cursor.execute(
                sql.SQL("delete from {} where valid_to <= %s").format(sql.Identifier("store", mart)), (horizon,)
            )
            removed += cursor.rowcount
        removed += restatements.forget(cursor, horizon)
    connection.commit()
    return {"rows": removed}


def _horizon(cursor: Any, keep: int) -> int | None:
    """Oldest publication that must stay readable; None before the first."""
    cursor.execute(
        "select min(publication_id) from (select publication_id from ops.publication"
        " where status in ('published', 'superseded') and publication_id <="
        " (select publication_id from ops.publication_pointer) order by publication_id desc limit %s) kept",
        (max(keep, 1),),
    )
    horizon: int | None = cursor.fetchone()[0]
    return horizon


def _pointer(cursor: Any) -> tuple[int, int]:
    """(served, candidate), locked until the transaction ends."""
    cursor.execute("select publication_id, candidate_id from ops.publication_pointer for update")
    served_id, candidate_id = cursor.fetchone()
    return served_id, candidate_id
