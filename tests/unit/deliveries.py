"""Deliveries made in a test, or of a real file, and what a connector made of them."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from customer360.connectors import registry
from customer360.connectors.base import Batch, Delivery, InputFile
from customer360.sources import OwnIdentities, Source


@dataclass(frozen=True)
class Bytes:
    """A delivered file that is only its content."""

    content: bytes
    path: str = "in/file"

    def open(self) -> IO[bytes]:
        if self.content.startswith(b"\x1f\x8b"):
            return gzip.open(io.BytesIO(self.content))  # type: ignore[return-value]
        return io.BytesIO(self.content)


def read(
    connector: str,
    *files: InputFile | Path | bytes | str,
    own: OwnIdentities | None = None,
    zone: str = "UTC",
    **fields: Any,
) -> list[Batch]:
    """Batches of one delivery of `files`: paths, or contents."""
    given: list[InputFile] = []
    for number, each in enumerate(files):
        content = each.read_bytes() if isinstance(each, Path) else each.encode() if isinstance(each, str) else each
        given.append(Bytes(content, f"in/file{number}") if isinstance(content, bytes) else content)
    source = Source(name="s", connector=connector, location="*", timezone=ZoneInfo(zone), **fields)
    delivery = Delivery("in", tuple(given))
    batches = list(registry.get(connector).read(delivery, source, own or OwnIdentities()))
    accounted(batches)
    return batches


def accounted(batches: list[Batch]) -> None:
    """Every record read has a row, is refused, or is collapsed into one that has a row."""
    rows = {n for b in batches for t in b.tables.values() for n in t.column("row_number").to_pylist()}
    refused = [each.row_number for b in batches for each in b.rejected]
    collapsed = Counter[int]()
    for batch in batches:
        collapsed.update(batch.collapsed)
    assert not rows & set(refused)
    assert len(refused) == len(set(refused))
    assert set(collapsed) <= rows
    assert sum(b.rows_read for b in batches) == len(rows) + len(refused) + collapsed.total()


def rows(batches: list[Batch], entity: str = "interaction") -> list[dict[str, Any]]:
    """Rows of `entity` over all batches, in file order, as dictionaries."""
    tables = [batch.tables[entity] for batch in batches if entity in batch.tables]
    if not tables:
        return []
    found: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return sorted(found, key=lambda row: row["row_number"])


def one(batches: list[Batch], entity: str = "interaction") -> dict[str, Any]:
    """The only row of `entity`."""
    (row,) = rows(batches, entity)
    return row


def identifiers(batches: list[Batch], row_number: int | None = None) -> set[tuple[str, str, bool]]:
    """(type, value, is_valid) of the identifiers of one record, or of all."""
    return {
        (row["identifier_type"], row["identifier_value"], row["is_valid"])
        for row in rows(batches, "identifier")
        if row_number is None or row["row_number"] == row_number
    }


def reasons(batches: list[Batch]) -> list[tuple[int, str]]:
    """(row number, reason) of the refused records, in file order."""
    return sorted((each.row_number, each.reason) for batch in batches for each in batch.rejected)
