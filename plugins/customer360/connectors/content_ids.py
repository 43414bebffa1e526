"""Ids of records that have none of their own: what they say, and which of their like in the file they are."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import duckdb
import pyarrow as pa

_CELL_END = "chr(31)"
_NO_CELL = "chr(30)"


class ContentIds:
    """`row:<16 hex digits>:<n>` for the records of one file, frame by frame.

    The digits are of the MD5 of all cells in the file's order; n counts equal records from 1. The same
    content has the same ids whatever the file is called.
    """

    def __enter__(self) -> ContentIds:
        self._engine = duckdb.connect()
        self._engine.execute("set threads = 1")  # with more, rows come in any order
        self._engine.execute("create temp table seen (digest uhugeint)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()

    def of(self, content: Sequence[pa.Array]) -> pa.Array:
        """Ids of the next records, whose cells are given by column."""
        cells = ", ".join(f"coalesce(c{place}::varchar, {_NO_CELL})" for place in range(len(content)))
        self._engine.register("content", pa.table({f"c{place}": column for place, column in enumerate(content)}))
        self._engine.execute(
            f"""
            create or replace temp table current as
            select row_number() over () as place, md5(concat_ws({_CELL_END}, {cells})) as digest
            from content
            """
        )
        self._engine.unregister("content")
        ids = self._engine.sql(
            """
            with numbered as (
                select place, digest, md5_number(digest) as number,
                    row_number() over (partition by digest order by place) as n
                from current
            ),
            before as (
                select digest as number, count(*) as n
                from seen semi join numbered on seen.digest = numbered.number
                group by 1
            )
            select 'row:' || left(digest, 16) || ':' || (numbered.n + coalesce(before.n, 0)) as id
            from numbered left join before using (number)
            order by place
            """
        ).to_arrow_table()
        self._engine.execute("insert into seen select md5_number(digest) from current")
        return ids.column("id").combine_chunks()
