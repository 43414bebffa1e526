"""A sample of a delivery's tables for the raw gate: everything up to a limit, then an even thinning."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

# Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): scatters consecutive row numbers.
_SCATTER: Final = np.uint64(0x9E3779B97F4A7C15)


class Sample:
    """Tables by entity, at most `limit` rows of each.

    Which records stay is decided by their row numbers alone, so that the same file always gives the same
    sample, and the rows of one record stay together across entities of like size. A delivery within the
    limit is kept whole.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._parts: dict[str, list[pa.Table]] = {}
        self._bits: dict[str, int] = {}  # of 2^bits records, one is kept

    def add(self, entity: str, table: pa.Table) -> None:
        """Take in further rows, in file order; they must have `row_number`."""
        parts = self._parts.setdefault(entity, [])
        parts.append(_thinned(table, self._bits.setdefault(entity, 0)))
        while sum(part.num_rows for part in parts) > self.limit:
            self._bits[entity] += 1
            parts[:] = [_thinned(part, self._bits[entity]) for part in parts]

    def tables(self) -> dict[str, pa.Table]:
        return {entity: pa.concat_tables(parts) for entity, parts in self._parts.items()}


def _thinned(table: pa.Table, bits: int) -> pa.Table:
    if not bits:
        return table
    numbers = table.column("row_number").to_numpy().astype(np.uint64)
    return table.filter(pa.array((numbers * _SCATTER) >> np.uint64(64 - bits) == 0))
