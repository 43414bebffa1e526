"""What one population of profiles taught: weights and frequent values, kept for the profiles of later nights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from customer360.linkage.model import Floats

FREQUENT = 3  # profiles with one value, from which on it is remembered
UNLISTED = 1.5  # profiles that a value is taken to have of which nothing is remembered: one or two
FREQUENCIES = pa.schema([("field", pa.string()), ("value_key", pa.int64()), ("profiles", pa.int64())])


@dataclass(frozen=True, slots=True)
class Learned:
    """`m`, `u`: per group of comparisons of `fields`, the share of each joint level among matches and others;
    `prior`: share of matches among all pairs; `average`: per field, how many profiles have the value of the
    average pair of equals; `frequent` (FREQUENCIES): how many have each frequent value; `profiles`: of how many."""

    fields: tuple[str, ...]
    profiles: int
    prior: float
    m: list[Floats]
    u: list[Floats]
    average: dict[str, float]
    frequent: pa.Table


def value_key(value: str) -> str:
    """SQL (DuckDB) of the number that stands for a value, the same in every version."""
    return f"(md5_number_lower({value}) >> 1)::bigint"


def frequencies(engine: Any, fields: Sequence[str]) -> tuple[dict[str, float], pa.Table]:
    """`average` and `frequent` of table `profile`. A field without values has an average of 1."""
    average: dict[str, float] = {}
    parts = [FREQUENCIES.empty_table()]
    for field in fields:
        engine.execute(f"""
            create or replace temp table value_count as
            select {field} as value, count(*) as n from profile where {field} is not null group by 1
        """)
        ((found,),) = engine.sql("select coalesce(sum(n * n) / sum(n), 1)::double from value_count").fetchall()
        average[field] = found
        parts.append(
            engine.sql(f"""
                select '{field}' as field, {value_key("value")} as value_key, n as profiles
                from value_count where n >= {FREQUENT} order by 2
            """)
            .to_arrow_table()
            .cast(FREQUENCIES)
        )
    return average, pa.concat_tables(parts)
