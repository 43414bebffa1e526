"""What the tests of single pages share: tables whose rows are written in the test, and a site over them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from customer360 import postgres
from customer360.marketing import schema
from customer360.marketing.contract import Table
from customer360.marketing.reading import snapshot
from customer360.portal.build import Site
from customer360.publish import publication
from customer360.publish.marts import Column
from customer360.publish.store import ensure
from customer360.settings import Settings
from publishing import MARTS, begin, candidate, rows


def table_of(name: str, columns: dict[str, str], key: Sequence[str], found: Sequence[Sequence[object]]) -> Table:
    """A table whose rows are written in its query; None is null. `columns`: {name: data type}."""

    def cell(value: object, kind: str) -> str:
        return f"cast(null as {kind})" if value is None else f"cast('{value}' as {kind})"

    lines = ", ".join(f"({', '.join(map(cell, row, columns.values()))})" for row in found)
    described = tuple(Column(each, kind, f"The {each}") for each, kind in columns.items())
    return Table(
        name, 1, True, name, tuple(key), described, f"select * from (values {lines}) as v ({', '.join(columns)})"
    )


@contextmanager
def site_of(settings: Settings, folder: Path, tables: list[Table]) -> Iterator[Site]:
    """A site in `folder` over a publication with `tables` and nothing else."""
    with postgres.connect(settings, application_name="test") as connection:
        ensure(connection, MARTS)
        run = begin(connection)
        made = candidate(connection, run, rows(1))
        publication.record_gate(connection, run, made.publication_id, "pass", "")
        schema.publish(connection, run, made.publication_id, tables, MARTS)
    (folder / "site" / "data").mkdir(parents=True)
    with snapshot(settings, "test") as data:
        yield Site(folder / "site", data, ZoneInfo("UTC"), "EUR")


def downloaded(site: Site, name: str) -> list[dict[str, str]]:
    """Rows of a table's file beside the pages."""
    with (site.folder / "data" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
