"""Arrow tables out of PostgreSQL by COPY; into it goes `binary`."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv
from psycopg2 import sql


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
