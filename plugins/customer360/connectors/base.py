"""What a connector is: bytes of one real format in, Arrow tables of the contracts and rejects out.

A connector is a class with a `name`, registered by `@register`. It never touches the network, the
ledger or the lake, never guesses from the file's name, and raises `UnreadableFile` only when nothing
of the file can be used; one bad record is a `Rejected`, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol

import pyarrow as pa

from customer360.connectors.registry import register
from customer360.contracts import connector_schema

__all__ = [
    "Batch",
    "Connector",
    "Delivery",
    "InputFile",
    "Rejected",
    "UnreadableFile",
    "register",
    "table",
]

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source


class UnreadableFile(Exception):
    """The whole file is unusable (wrong format, truncated archive, wrong encoding, empty).

    `reason` is a stable word for the ledger; `detail` says where, and never quotes a value.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class InputFile(Protocol):
    """One delivered file. `open` undoes gzip, bzip2 and xz by content, and may be called again."""

    @property
    def path(self) -> str:
        """Path below the landing root; a member of a folder batch includes the folder."""
        ...

    def open(self) -> IO[bytes]: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is read as one batch: a single file, or a folder's new members (in path order)."""

    path: str
    files: tuple[InputFile, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record refused, kept whole in quarantine. Positions are 1-based."""

    file: str
    row_number: int
    reason: str  # stable word: bad_timestamp, missing_id, bad_width, bad_json, not_a_contact, …
    line: int | None = None
    detail: str | None = None  # column name; never a value
    raw: bytes = b""


@dataclass(slots=True)
class Batch:
    """Part of a delivery. `rows_read` counts source records, good and bad.

    `tables` maps an entity to a table whose columns are a subset of `connector_schema(entity)`
    (see `table`). Every source record read is either in `rejected` or has at least one row in
    `tables` carrying its `row_number`; records collapsed into another one (call legs) are named in
    `collapsed` as {row_number of the kept record: how many further records it absorbed}.
    """

    rows_read: int = 0
    tables: dict[str, pa.Table] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    collapsed: dict[int, int] = field(default_factory=dict)


class Connector(Protocol):
    """One format family. `unit` 'folder' makes one batch of a folder's many small files."""

    name: ClassVar[str]
    unit: ClassVar[str]  # 'file' | 'folder'
    system: ClassVar[str]  # namespace of account_ref values unless the source overrides it
    options: ClassVar[frozenset[str]]  # keys allowed under `options:` in sources.yml

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """Yield batches of at most a few 100,000 records, in file order."""
        ...


def table(entity: str, columns: Mapping[str, Any]) -> pa.Table:
    """Arrow table of `entity` from columns (lists or Arrow arrays), missing ones null.

    Raises KeyError for a column the contract does not have and ArrowInvalid for a value that
    does not fit its type.
    """
    schema = connector_schema(entity)
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise KeyError(f"not in the contract of {entity}: {sorted(unknown)}")
    length = len(next(iter(columns.values())))
    arrays = []
    for column in schema:
        value = columns.get(column.name)
        if value is None:
            arrays.append(pa.nulls(length, column.type))
        elif isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value if value.type == column.type else value.cast(column.type))
        else:
            arrays.append(pa.array(value, type=column.type))
    return pa.Table.from_arrays(arrays, schema=schema)
