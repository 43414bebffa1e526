"""Why published figures of attribution moved: what a candidate changes in what is served, with its cause.

The store keeps every row of every publication, so what moved at publication N is the rows that end with N against
those that begin with it. All of it is SQL in the serving database, inside the candidate's transaction: the cost
follows the change, not the company, and it is the same whichever engine built the night. Its rows begin with N like
those of any mart, so they are served, rolled back and pruned with it.

A conversion that stands in both publications moves in steps, each with one cause: its date, then its amount, then its
path. The steps telescope, so the changes of all causes sum to that of `attribution_summary`, cell by cell. Amounts of
a cell are whole cents there: what rounding leaves goes to the cell's largest cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg2 import sql

from customer360.publish import restatement_sql as statements

SUMMARY: Final = "attribution_restatements"
CONVERSIONS: Final = "attribution_restated_conversions"
_CREDIT: Final = "credit_"  # what the columns of shares of `attribution_credit` begin with
GRAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "channel": ("acquisition_source", "channel_group"),
    "source": ("traffic_source",),
    "campaign": ("acquisition_source", "channel_group", "campaign"),
}
_DIMENSIONS: Final = ("acquisition_source", "channel_group", "traffic_source", "campaign")
_PREPARED: Final = (
    statements.ROWS,
    statements.CONVERSION,
    statements.TOUCH,
    statements.MOVED_CUSTOMER,
    statements.EVIDENCE,
    statements.CAUSE,
    statements.STEP,
    statements.CELLS,
    statements.JOURNEYS,
    statements.DIFFERENCE,
)
_TEMPORARY: Final = (
    "restated_row",
    "restated_conversion",
    "restated_touch",
    "restated_customer",
    "restated_evidence",
    "restated_cause",
    "restated_step",
    "restated_cell",
    "restated_difference",
)
_CELL: Final = ("grain", "model", "conversion_set", "month", *_DIMENSIONS)


def append(cursor: Any, publication_id: int) -> dict[str, int]:
    """Explain publication `publication_id`, the candidate whose rows are loaded: {table: rows written}.

    Nothing is written for the first publication. Runs in the caller's transaction.
    """
    written = {SUMMARY: 0, CONVERSIONS: 0}
    cursor.execute(
        "select served.as_of, p.as_of from ops.publication_pointer at"
        " join ops.publication served on served.publication_id = at.publication_id, ops.publication p"
        " where p.publication_id = %s",
        (publication_id,),
    )
    nights = cursor.fetchone()
    if nights is None:
        return written
    shares = _shares(cursor)
    models = list(_models(shares, "channel"))
    values = {
        "n": publication_id,
        "before": nights[0],
        "night": nights[1],
        "models": models,
        "reference": models[0],
        "grains": list(GRAINS),
    }
    for statement in _PREPARED:
        cursor.execute(_filled(statement, shares), values)
    for table, statement in (
        (SUMMARY, statements.SUMMARY),
        (SUMMARY, statements.COSTS),
        (CONVERSIONS, statements.RESTATED),
    ):
        cursor.execute(_filled(statement, shares), values)
        written[table] += cursor.rowcount
    for name in _TEMPORARY:
        cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
    return written


def forget(cursor: Any, horizon: int | None) -> int:
    """Remove what explains publications up to `horizon`, the oldest that stays readable; the rows removed."""
    removed = 0
    for name in (SUMMARY, CONVERSIONS):
        cursor.execute("select to_regclass(%s) is not null", (f"store.{name}",))
        if cursor.fetchone() == (True,):
            table = sql.Identifier("store", name)
            cursor.execute(sql.SQL("delete from {} where valid_from <= %s").format(table), (horizon,))
            removed += cursor.rowcount
    return removed


def _shares(cursor: Any) -> list[str]:
    """Columns of shares that the store holds, also of models that were dropped: theirs move to nothing."""
    cursor.execute(
        "select attname from pg_attribute where attrelid = to_regclass('store.attribution_credit')"
        " and starts_with(attname, %s) and not attisdropped order by attname",
        (_CREDIT,),
    )
    return [name for (name,) in cursor]


def _models(shares: Sequence[str], grain: str) -> dict[str, str]:
    """{model: column of its shares} at a grain; a model whose shares depend on the grain has a column for each."""
    names = [name.removeprefix(_CREDIT) for name in shares]
    bases = [name for name in names if not name.endswith(tuple(f"_{other}" for other in GRAINS))]
    return {base: _CREDIT + (f"{base}_{grain}" if f"{base}_{grain}" in names else base) for base in bases}


def _grains_of(dimension: str) -> str:
    """Grains that tell a dimension apart, as a list of SQL."""
    return ", ".join(f"'{grain}'" for grain, names in GRAINS.items() if dimension in names)


def _filled(statement: str, shares: Sequence[str]) -> sql.Composed:
    """A statement with its lists of columns put in."""

    def each(text: str) -> sql.Composable:
        """`text` for every column of shares, `#` being its name."""
        return sql.SQL(", ").join(sql.SQL(text.replace("#", name)) for name in shares)

    parts = {
        "kept": each("coalesce(r.#, 0) as #"),
        "sides": each(
            "coalesce(sum(#) filter (where not is_new), 0) as #_old, coalesce(sum(#) filter (where is_new), 0) as #_new"
        ),
        "old_new": each("#_old as #_from, #_new as #_to"),
        "old_nothing": each("#_old, 0"),
        "nothing_old": each("0, #_old"),
        "old_old": each("#_old, #_old"),
        "moved": sql.SQL(" or ").join(sql.SQL(f"{name}_old <> {name}_new") for name in shares),
        "totals": each(
            "sum(conversions_from * #_from) as #_cf, sum(conversions_to * #_to) as #_ct,"
            " sum(amount_from * #_from) as #_af, sum(amount_to * #_to) as #_at"
        ),
        "models": sql.SQL(", ").join(
            sql.SQL(f"('{grain}', '{model}', {name}_cf, {name}_ct, {name}_af, {name}_at)")
            for grain in GRAINS
            for model, name in _models(shares, grain).items()
        ),
        "labels": sql.SQL(", ").join(
            sql.SQL(
                f"case when grain in ({_grains_of(name)})"
                f" then coalesce(o.{name}, case when w.origin_id = 0 then 'unattributed' else '(none)' end)"
                f" else '(all)' end as {name}"
            )
            for name in _DIMENSIONS
        ),
        "cost_labels": sql.SQL(", ").join(
            sql.SQL(f"case when grain in ({_grains_of(name)}) then o.{name} else '(all)' end as {name}")
            for name in _DIMENSIONS
        ),
        "cell": sql.SQL(", ".join(_CELL)),
    }
    return sql.SQL(statement).format(**parts)
