"""What the tests of publication share: two marts whose rows all say which night they are of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from customer360.publish import publication
from customer360.publish.candidate import Candidate, load
from customer360.publish.marts import Column, Mart
from customer360.publish.runs import Run, open_run

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
TEXTS = ("", None, 'say "x", then\nnew line', "ünï\tcode", "\\N", "{1,2}")
MARTS = tuple(
    Mart(
        name,
        f"mart {name}",
        ("id",),
        (Column("id", "bigint", "key"), Column("night", "bigint", "n"), Column("t", "text", "")),
    )
    for name in ("alpha", "beta")
)


def rows(night: int, count: int = 200) -> pa.Table:
    """`count` rows of one night, with texts that are hard to copy."""
    return pa.table(
        {
            "id": list(range(count)),
            "night": [night] * count,
            "t": pa.array([TEXTS[n % len(TEXTS)] for n in range(count)], pa.string()),
        }
    )


def begin(connection: Any, night: int = 0) -> Run:
    return open_run(connection, NIGHT + timedelta(days=night), "duckdb", "test")


def candidate(connection: Any, run: Run, table: pa.Table) -> Candidate:
    return load(connection, run, "duckdb", [(mart, table) for mart in MARTS])


def publish(connection: Any, night: int, table: pa.Table) -> Candidate:
    """A whole night: candidate, passed gate, publication."""
    run = begin(connection, night)
    made = candidate(connection, run, table)
    publication.record_gate(connection, run, made.publication_id, "pass", "")
    publication.publish(connection, run, made.publication_id)
    return made


def hashes(connection: Any) -> list[str]:
    """`content_hash` of every mart."""
    found = [publication.content_hash(connection, mart.name) for mart in MARTS]
    connection.commit()
    return found
