"""How well a map of records to customers agrees with who was who: pairs, B³ and the persons of each customer."""

from __future__ import annotations

from pathlib import Path

import duckdb

Figures = dict[str, float]

_SCORES = """
    create temp table author as select id, person from read_parquet('{folder}/author-*.parquet');
    create temp table pair as select * from read_parquet('{folder}/pairs-*.parquet');
    create temp table of as
    select id, arg_min(customer_id, record_kind = 'interaction') as customer_id from mapped_record group by 1;
    create temp table verdict as
    select p.kind, p.slice, coalesce(a.customer_id = b.customer_id, false) as is_one
    from pair p left join of a on p.a = a.id left join of b on p.b = b.id;
    create temp table clustered as
    select a.person, coalesce(o.customer_id, -row_number() over ()) as customer_id
    from author a left join of o using (id) where a.person >= 0;
    create temp table cell as select person, customer_id, count(*) as n from clustered group by all;
    create temp table cell_sum as
    select *, sum(n) over (partition by person) as of_person, sum(n) over (partition by customer_id) as of_customer
    from cell
"""


def score(engine: duckdb.DuckDBPyConnection, folder: Path) -> tuple[Figures, dict[str, tuple[str, float, int]]]:
    """(figures, {slice: (must or cannot, share that is right, pairs)}) of relation `mapped_record` (id, record_kind,
    customer_id) in `engine`, held against the truth that `identity_company.write` left in `folder`.

    `must_link` and `cannot_link` are shares of all pairs asked; `worst_*` those of the worst slice. A record of no
    customer stands alone. `pair_precision`: of all pairs of records of one customer, those of one person;
    `largest_persons`: the most persons of one customer.
    """
    engine.execute(_SCORES.format(folder=folder))
    rows = engine.sql(
        "select slice, kind, avg((is_one = (kind = 'must'))::int), count(*) from verdict group by all order by kind, slice"
    ).fetchall()
    slices = {f"{kind} {name}": (kind, share, count) for name, kind, share, count in rows}
    figures: Figures = {}
    for kind in ("must", "cannot"):
        of_kind = [(share, count) for found, share, count in slices.values() if found == kind]
        figures[f"{kind}_link"] = sum(share * count for share, count in of_kind) / sum(count for _, count in of_kind)
        figures[f"worst_{kind}_link"] = min(share for share, _ in of_kind)
    ((figures["pair_precision"], figures["pair_recall"]),) = engine.sql("""
        select sum(n * (n - 1)) / (select sum(m * (m - 1)) from (select sum(n) as m from cell group by customer_id)),
            sum(n * (n - 1)) / (select sum(m * (m - 1)) from (select sum(n) as m from cell group by person))
        from cell""").fetchall()
    ((figures["b3_precision"], figures["b3_recall"]),) = engine.sql("""
        select sum(n * n / of_customer) / sum(n), sum(n * n / of_person) / sum(n) from cell_sum""").fetchall()
    precision, recall = figures["b3_precision"], figures["b3_recall"]
    figures["b3_f1"] = 2 * precision * recall / (precision + recall)
    ((figures["largest_persons"],),) = engine.sql(
        "select max(persons) from (select count(distinct person) as persons from cell group by customer_id)"
    ).fetchall()
    return {name: round(float(value), 4) for name, value in figures.items()}, slices
