"""The same lake gives the same marts on every engine, row for row, numerics exact."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from customer360.dbt_runner import manifest_path, run_dbt
from customer360.engines import open_engine
from customer360.publish.marts import published_marts
from customer360.settings import Settings
from parity.adversarial import AS_OF, write_lake
from parity.standin import write_identity

ENGINES = ("duckdb", "postgres")
MARTS = (
    "attribution_credit",
    "attribution_summary",
    "attribution_touches",
    "customer_360",
    "customer_alias",
    "customer_identity_map",
    "fct_ad_spend",
    "fct_interactions",
    "lifecycle_current",
    "lifecycle_transitions",
    "source_quality",
)
Marts = dict[str, pa.Table]


@pytest.fixture(scope="module")
def marts(engine_settings: dict[str, Settings], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Marts]:
    """Every published mart of every engine, built with all its dbt tests."""
    files = write_lake(tmp_path_factory.mktemp("lake"))
    night = {"as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}"}
    found: dict[str, Marts] = {}
    for name in ENGINES:
        settings = engine_settings[name]
        with open_engine(settings) as engine:
            engine.stage(files)
            engine.release()
            run_dbt(settings, engine, "build", select="+tag:identity_input", vars=night)
            write_identity(engine, AS_OF)
            engine.release()
            run_dbt(settings, engine, "build", select="+tag:marts", exclude="+tag:identity_input", vars=night)
            found[name] = {
                mart.name: engine.read(f"select * from {engine.qualify('marts', mart.name)}")
                for mart in published_marts(manifest_path(settings))
            }
    return found


def _rows(table: pa.Table) -> Counter[tuple[object, ...]]:
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_every_mart_is_compared(marts: dict[str, Marts]) -> None:
    for name in ENGINES:
        assert tuple(sorted(marts[name])) == MARTS


@pytest.mark.parametrize("mart", MARTS)
def test_engines_agree_row_for_row(mart: str, marts: dict[str, Marts]) -> None:
    first, second = (marts[name][mart] for name in ENGINES)
    assert first.column_names == second.column_names
    assert first.schema.types == second.schema.types
    one, other = _rows(first), _rows(second)
    assert one, f"{mart} is empty: nothing was compared"
    differing = (one - other) + (other - one)
    columns = _differing_columns(one - other, other - one, first.column_names)
    assert not differing, f"{differing.total()} of {one.total()} rows differ, in columns {columns}"


def _differing_columns(
    one: Counter[tuple[object, ...]], other: Counter[tuple[object, ...]], names: list[str]
) -> list[str]:
    """Columns whose values, as a bag, are not the same: where to look first."""

    def bag(rows: Counter[tuple[object, ...]], place: int) -> Counter[object]:
        return Counter(row[place] for row in rows.elements())

    return [name for place, name in enumerate(names) if bag(one, place) != bag(other, place)]


# What the lake must contain, so that agreement means something.


@pytest.mark.parametrize("engine", ENGINES)
def test_the_lake_was_nasty_enough(engine: str, marts: dict[str, Marts]) -> None:
    found = marts[engine]
    credit = found["attribution_credit"].to_pylist()
    assert {row["model"] for row in credit} == {"first", "last", "linear"}
    assert any(row["touch_number"] == 0 for row in credit), "no unattributed conversion"
    assert max(row["touch_number"] for row in credit) >= 1000, "no long path"
    assert any(row["amount"] < 0 for row in credit), "no negative amount"
    assert {row["direction"] for row in found["lifecycle_transitions"].to_pylist()} >= {
        "entry",
        "forward",
        "skip",
        "regression",
        "reactivation",
    }
    assert not all(row["is_allowed"] for row in found["lifecycle_transitions"].to_pylist()), "no impossible order"
    texts = set(found["customer_360"].column("job_title").to_pylist())
    assert {None, "Ärztin\n"} <= texts, "no line break"
    assert "" not in texts, "a blank is stated by nobody"
    assert "über" in found["fct_interactions"].column("utm_campaign").to_pylist(), "no capital beyond ASCII"
    assert found["fct_interactions"].num_rows > 2000


def test_nothing_of_the_night_itself_is_looked_at(marts: dict[str, Marts]) -> None:
    """Rows at `as_of` belong to the next night; the microsecond before it does not."""
    night = AS_OF.replace(tzinfo=None)
    for name in ENGINES:
        stamps = marts[name]["fct_interactions"].column("occurred_at").to_pylist()
        assert max(stamps) < night


def test_parquet_files_are_read_where_they_lie(engine_settings: dict[str, Settings], tmp_path: Path) -> None:
    """DuckDB keeps no copy of the lake: its `lake` schema holds views only."""
    with open_engine(engine_settings["duckdb"]) as engine:
        kinds = engine.read("select distinct table_type from information_schema.tables where table_schema = 'lake'")
    assert kinds.to_pylist() == [{"table_type": "VIEW"}]
