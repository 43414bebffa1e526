"""Arrow tables in and out of PostgreSQL by COPY."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql

ROWS = 200_000


def copy_in(cursor: Any, table: sql.Composable, rows: pa.Table) -> None:
    """Append `rows` to `table`; texts are quoted, so that an empty one differs from null."""
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    )
    for start in range(0, rows.num_rows, ROWS):
        buffer = io.BytesIO()
        options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
        pa.csv.write_csv(rows.slice(start, ROWS), buffer, options)
        buffer.seek(0)
        cursor.copy_expert(statement, buffer)


def copy_out(cursor: Any, query: str | sql.Composable, schema: pa.Schema) -> pa.Table:
    """Rows of `query` as `schema`."""
    text = sql.SQL(query) if isinstance(query, str) else query
    buffer = io.BytesIO()
    cursor.copy_expert(sql.SQL("copy ({}) to stdout (format csv)").format(text), buffer)
    if not buffer.tell():
        return schema.empty_table()
    buffer.seek(0)
    return pa.csv.read_csv(
        buffer,
        read_options=pa.csv.ReadOptions(column_names=schema.names),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema,
            true_values=["t"],
            false_values=["f"],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
