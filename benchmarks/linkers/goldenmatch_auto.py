"""Profiles of one data set through GoldenMatch as it configures itself for probabilistic matching:
`goldenmatch_auto.py <set> <profiles> <clusters>`. Of two tables it sees the union."""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.parquet as pq
from goldenmatch import auto_configure_probabilistic_df, dedupe_df


def main() -> None:
    _, _, given, taken = sys.argv
    profiles = pq.read_table(given)
    ids = profiles["id"].to_pylist()
    columns = [column for column in profiles.column_names if column not in ("id", "source")]
    # Its profiler reads text; a key would only be one more column to it.
    table = pa.table({column: profiles[column].cast(pa.string()) for column in columns})
    result = dedupe_df(table, config=auto_configure_probabilistic_df(table))
    clusters = list(range(len(ids)))
    for number, found in result.clusters.items():
        for member in found["members"]:
            clusters[member] = len(ids) + number
    pq.write_table(pa.table({"id": ids, "cluster": clusters}), taken)


if __name__ == "__main__":
    main()
