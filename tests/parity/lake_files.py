"""Contract Parquet from plain dictionaries, for tests that need a lake of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from customer360.contracts import lake_schema
from customer360.engines import LakeFile
from customer360.keys import identifier_key, key, record_key

Row = Mapping[str, Any]
_KINDS = {
    "interaction": "interaction",
    "opportunity": "opportunity",
    "sales_order": "sales_order",
    "opportunity_stage": "opportunity_stage",
    "ad_spend": "ad_spend",
}


def utc(text: str) -> datetime:
    """`2026-02-28 23:59:59` as a UTC stamp."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class LakeWriter:
    """Collects rows, then writes one Parquet file per source, batch and entity."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rows: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        self._loaded: dict[str, datetime] = {}

    def batch(self, batch_id: str, loaded_as_of: datetime) -> None:
        """Rows of `batch_id` were loaded in the night of `loaded_as_of`."""
        self._loaded[batch_id] = loaded_as_of

    def add(
        self,
        entity: str,
        source: str,
        batch_id: str,
        record_id: str,
        identifiers: Iterable[tuple[str, str] | tuple[str, str, bool]] = (),
        **columns: Any,
    ) -> int:
        """One record with its identifiers; its record key."""
        kind = _KINDS.get(entity) or columns["record_kind"]
        found = record_key(source, kind, record_id)
        rows = self._rows[source, batch_id, entity]
        place = {
            "source": source,
            "batch_id": batch_id,
            "loaded_as_of": self._loaded[batch_id],
            "record_key": found,
            "source_record_id": record_id,
            "row_number": len(rows) + 1,
        }
        rows.append({**place, "row_hash": key(repr(sorted(columns.items()))), **columns})
        for type_, value, *valid in identifiers:
            row = {
                "identifier_key": identifier_key(type_, value),
                "record_kind": kind,
                "identifier_type": type_,
                "identifier_value": value,
                "is_valid": valid[0] if valid else True,
            }
            self._rows[source, batch_id, "identifier"].append({**place, "row_hash": key(type_, value), **row})
        return found

    def write(self) -> list[LakeFile]:
        files = []
        for (source, batch_id, entity), rows in sorted(self._rows.items()):
            path = self.root / source / entity / f"{batch_id}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=lake_schema(entity)), path)
            files.append(LakeFile(entity, source, batch_id, str(path)))
        return files
