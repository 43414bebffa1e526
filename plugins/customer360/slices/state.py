"""What the engine holds: the marts of which night, of which batches, made by what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from customer360.engines.base import Engine, LakeFile

_BATCH: Final = pa.schema(
    [("entity", pa.string()), ("source", pa.string()), ("batch_id", pa.string()), ("path", pa.string())]
)
_STATE: Final = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("fingerprint", pa.string()),
        ("is_complete", pa.bool_()),
        ("publication_id", pa.int64()),
        ("linkage_model", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class State:
    """What the engine holds: the marts of which night, made by what, the publication that shows them, and the
    version of the linkage model that compared profiles."""

    as_of: datetime
    fingerprint: str
    is_complete: bool
    publication_id: int | None
    linkage_model: int | None = None


def read_state(engine: Engine) -> State | None:
    """What the engine says it holds; None if nothing."""
    if not engine.has("lake", "night_state"):
        return None
    found = engine.read(f"select * from {engine.qualify('lake', 'night_state')}").to_pylist()
    if len(found) != 1:
        return None
    (row,) = found
    return State(**(row | {"as_of": row["as_of"].replace(tzinfo=UTC)}))


def write_state(engine: Engine, state: State) -> None:
    row = {"as_of": state.as_of.astimezone(UTC).replace(tzinfo=None)}
    row |= {name: getattr(state, name) for name in _STATE.names if name != "as_of"}
    engine.write("lake", "night_state", pa.Table.from_pylist([row], schema=_STATE))


def write_batches(engine: Engine, files: Sequence[LakeFile]) -> None:
    """Note which batches the engine's marts are made of."""
    rows = [{name: getattr(file, name) for name in _BATCH.names} for file in files]
    engine.write("lake", "night_batch", pa.Table.from_pylist(rows, schema=_BATCH))
