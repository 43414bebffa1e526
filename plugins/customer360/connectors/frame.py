"""A stretch of records of any format: Arrow columns by name, each record with its place in the file."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from customer360.connectors.base import Rejected, UnreadableFile

FRAME_ROWS = 200_000


@dataclass(slots=True)
class Frame:
    """A stretch of records. `row_number` is 1-based in the file; `line` None where there are no lines."""

    columns: dict[str, pa.Array]
    row_number: Sequence[int]
    line: Sequence[int] | None = None
    rejected: list[Rejected] = field(default_factory=list)
    raw: Callable[[int], bytes] | None = None  # the record at an index, as delivered
    content: tuple[pa.Array, ...] = ()  # all of each record, where it was asked for

    def __len__(self) -> int:
        return len(self.row_number)

    def text_of(self, index: int) -> bytes:
        """The record as delivered; where the format is no text, its cells as JSON."""
        if self.raw is not None:
            return self.raw(index)
        values = {name: plain_text(column[index].as_py()) for name, column in self.columns.items()}
        return msgspec.json.encode(values)


def locate(wanted: Iterable[str], header: Sequence[str]) -> dict[str, int]:
    """Place in `header` of each column wanted, by its name; case, blanks around and Unicode form do not count.

    Raises UnreadableFile: missing_column with the names; ambiguous_column for a name that stands twice.
    """
    exact, loose = _places(header, str.strip), _places(header, _loose)
    found: dict[str, int] = {}
    missing: list[str] = []
    for name in wanted:
        places = exact.get(name.strip()) or loose.get(_loose(name)) or []
        if len(places) > 1:
            raise UnreadableFile("ambiguous_column", f"{name} stands {len(places)} times in the header")
        if places:
            found[name] = places[0]
        else:
            missing.append(name)
    if missing:
        raise UnreadableFile("missing_column", ", ".join(missing))
    return found


def _places(header: Sequence[str], form: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header):
        places.setdefault(form(name), []).append(place)
    return places


def _loose(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def text_column(values: Sequence[Any]) -> pa.Array:
    """Cells of any types as text (see `plain_text`); cells that are all stamps stay stamps."""
    try:
        if not any(isinstance(value, bytes) for value in values):  # Arrow would not look whether they are text
            return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        pass
    if all(value is None or isinstance(value, datetime) for value in values):
        return pa.array(values, pa.timestamp("us"))
    return pa.array([plain_text(value) for value in values], pa.string())


def plain_text(value: Any) -> str | None:
    """A cell as text: whole floats without their '.0', stamps in ISO form, lists joined by ';', objects as JSON."""
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, list | tuple):
        return ";".join(text for each in value if (text := plain_text(each)) is not None)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return format(value, "f") if isinstance(value, Decimal) else str(value)
