"""Types of the contracts in SQL and back: one spelling that DuckDB and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_SQL: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_string, "varchar"),
    (pa.types.is_int64, "bigint"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date32, "date"),
    (pa.types.is_float64, "double precision"),
)
_ARROW = {
    "text": pa.string(),
    "varchar": pa.string(),
    "int8": pa.int64(),
    "int4": pa.int32(),
    "int2": pa.int16(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "float8": pa.float64(),
}


def sql_type(kind: pa.DataType) -> str:
    """SQL name of a contract type. Raises KeyError for one the contracts do not use."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    for test, name in _SQL:
        if test(kind):
            return name
    raise KeyError(f"no SQL type for {kind}")


def arrow_type(name: str, precision: int | None, scale: int | None) -> pa.DataType:
    """Arrow type of a PostgreSQL column. Raises KeyError for a type marts may not use."""
    if name == "numeric":
        return pa.decimal128(min(precision or 38, 38), scale or 0)
    return _ARROW[name]
