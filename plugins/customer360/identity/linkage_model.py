"""What the company's own profiles taught linkage, by version: state of record in `ops`.

A night uses the newest version that was in force by then, so that a past night finds the same customers again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg2 import sql

from customer360.binary import copy_in
from customer360.copying import copy_out
from customer360.linkage.learned import FREQUENCIES, Learned

DDL: list[str] = [
    """
    create table if not exists ops.linkage_model (
        version integer generated always as identity primary key,
        from_as_of timestamptz not null,
        profiles bigint not null,
        parameters jsonb not null
    )
    """,
    """
    create table if not exists ops.linkage_frequency (
        version integer not null references ops.linkage_model (version) on delete cascade,
        field text not null,
        value_key bigint not null,
        profiles bigint not null,
        primary key (version, field, value_key)
    )
    """,
]


def effective(cursor: Any, as_of: datetime) -> int | None:
    """Version in force at the night; None before the company had profiles enough."""
    cursor.execute(
        "select version from ops.linkage_model where from_as_of <= %s order by from_as_of desc, version desc limit 1",
        (as_of,),
    )
    found = cursor.fetchone()
    return int(found[0]) if found else None


def newest(cursor: Any) -> tuple[int, int] | None:
    """Version learnt last, in force or not yet, and of how many profiles."""
    cursor.execute("select version, profiles from ops.linkage_model order by version desc limit 1")
    found = cursor.fetchone()
    return (int(found[0]), int(found[1])) if found else None


def in_force(cursor: Any, as_of: datetime) -> Learned | None:
    """The model in force at the night."""
    version = effective(cursor, as_of)
    return None if version is None else load(cursor, version)


def load(cursor: Any, version: int) -> Learned:
    """Raises ValueError for a version that is not there."""
    cursor.execute("select profiles, parameters from ops.linkage_model where version = %s", (version,))
    found = cursor.fetchone()
    if found is None:
        raise ValueError(f"there is no linkage model {version}")
    profiles, parameters = found
    query = sql.SQL(
        "select field, value_key, profiles from ops.linkage_frequency where version = {} order by field, value_key"
    )
    return Learned(
        fields=tuple(parameters["fields"]),
        profiles=profiles,
        prior=parameters["prior"],
        m=[np.array(shares) for shares in parameters["m"]],
        u=[np.array(shares) for shares in parameters["u"]],
        average=parameters["average"],
        frequent=copy_out(cursor, query.format(sql.Literal(version)), FREQUENCIES),
    )


def store(cursor: Any, learned: Learned, from_as_of: datetime) -> int:
    """A new version in force from `from_as_of` on; the caller commits."""
    parameters = {
        "fields": list(learned.fields),
        "prior": learned.prior,
        "m": [shares.tolist() for shares in learned.m],
        "u": [shares.tolist() for shares in learned.u],
        "average": learned.average,
    }
    cursor.execute(
        "insert into ops.linkage_model (from_as_of, profiles, parameters) values (%s, %s, %s) returning version",
        (from_as_of, learned.profiles, json.dumps(parameters)),
    )
    (version,) = cursor.fetchone()
    rows = learned.frequent.append_column("version", pa.repeat(pa.scalar(version, pa.int32()), len(learned.frequent)))
    copy_in(cursor, sql.Identifier("ops", "linkage_frequency"), rows)
    return int(version)
