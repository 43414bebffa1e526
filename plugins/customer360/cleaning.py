"""What no database takes, out of text columns: NUL. (A lone surrogate cannot stand in an Arrow text at all.)"""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_NUL: Final = re.compile(b"\0")


def clean(table: pa.Table) -> tuple[pa.Table, set[int]]:
    """Remove NUL characters from text columns; returns the table and the row numbers that had one."""
    cleaned: set[int] = set()
    for index, column in enumerate(table.columns):
        if not pa.types.is_string(column.type) or not _may_hold_nul(column):
            continue
        has_nul = pc.fill_null(pc.match_substring(column, "\0"), False)
        numbers = table.column("row_number").filter(has_nul).to_pylist()
        if numbers:
            cleaned.update(numbers)
            without = pc.replace_substring(column, pattern="\0", replacement="")
            table = table.set_column(index, table.field(index), without)
    return table, cleaned


def _may_hold_nul(column: pa.ChunkedArray) -> bool:
    """Whether a NUL stands anywhere in the buffers: one search for a byte, instead of one per value."""
    buffers = (chunk.buffers()[2] for chunk in column.chunks if len(chunk))
    return any(buffer is not None and _NUL.search(memoryview(buffer)) is not None for buffer in buffers)
