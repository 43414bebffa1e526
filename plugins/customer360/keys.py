"""64-bit keys: one hash function for records and identifiers, the same in Python and in SQL.

The last 8 bytes of MD5 (RFC 1321), little-endian, as a signed 64-bit integer, over the parts joined
by U+001F. In DuckDB: `md5_number_lower(concat_ws(chr(31), …))`, reinterpreted as signed.
"""

from __future__ import annotations

from hashlib import md5

MASK = (1 << 53) - 1  # customer ids are exact in JSON and in spreadsheets
SEPARATOR = "\x1f"


def key(*parts: str) -> int:
    """Signed 64-bit key of `parts`."""
    digest = md5(SEPARATOR.join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little", signed=True)


def record_key(source: str, record_kind: str, source_record_id: str) -> int:
    return key(source, record_kind, source_record_id)


def identifier_key(identifier_type: str, identifier_value: str) -> int:
    return key(identifier_type, identifier_value)
