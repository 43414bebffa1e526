"""Mart `identity_quality` for a report: tonight's figures beside those of the publication before."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Row = tuple[str, str, str, str]
COLUMNS = ("Measure", "Part", "Served", "Publication before")
_FIGURES = """
    with before as (
        select max(n.publication_id) as publication_id from serving.publication_night n
        where n.is_kept and n.publication_id < (select max(m.publication_id) from serving.publication_night m)
    )
    select s.measure, s.part, s.figure, s.remark, h.figure
    from serving.identity_quality s
    left join serving.identity_quality_history h on h.measure = s.measure and h.part = s.part
        and h.publication_from <= (select publication_id from before)
        and (h.publication_until is null or h.publication_until > (select publication_id from before))
    order by s.measure collate "C", s.part collate "C"
"""


def rows(connection: Connection) -> list[Row]:
    """As COLUMNS; none before the mart was published. Where a figure is missing stands why."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('serving.identity_quality_history') is not null")
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(_FIGURES)
        return [
            (measure.replace("_", " "), part.replace("_", " "), _shown(figure) or remark or "", _shown(before))
            for measure, part, figure, remark, before in cursor
        ]


def _shown(figure: Decimal | None) -> str:
    """A count without decimals, a share with four."""
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure == figure.to_integral_value() else f"{figure:.4f}"
