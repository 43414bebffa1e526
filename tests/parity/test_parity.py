"""The same lake gives the same marts on every engine, row for row, numerics exact.

Every engine is compared with DuckDB. What was compared is left in `.local/parity.json` for `make parity`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pytest

from customer360.dbt_runner import manifest_path, run_dbt
from customer360.engines import LakeFile, open_engine
from customer360.publish.marts import published_marts
from customer360.settings import project_root
from parity.adversarial import AS_OF, write_lake
from parity.conftest import ENGINES, EngineSettings
from parity.standin import write_identity

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
every_engine = pytest.mark.parametrize("engine", ENGINES)


class Built:
    """Every published mart of an engine, built with all its dbt tests when first asked for."""

    def __init__(self, settings: EngineSettings, files: list[LakeFile]) -> None:
        self.settings = settings
        self.files = files
        self.compared: dict[tuple[str, str], int] = {}  # (engine, mart) → differing rows
        self._marts: dict[str, Marts] = {}

    def __getitem__(self, engine: str) -> Marts:
        if engine not in self._marts:
            self._marts[engine] = self._build(engine)
        return self._marts[engine]

    def _build(self, name: str) -> Marts:
        night = {"as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}"}
        settings = self.settings[name]
        with open_engine(settings) as engine:
            engine.stage(self.files)
            engine.release()
            run_dbt(settings, engine, "build", select="+tag:identity_input", vars=night)
            write_identity(engine, AS_OF)
            engine.release()
            run_dbt(settings, engine, "build", select="+tag:marts", exclude="+tag:identity_input", vars=night)
            return {
                mart.name: engine.read(f"select * from {engine.qualify('marts', mart.name)}")
                for mart in published_marts(manifest_path(settings))
            }


@pytest.fixture(scope="module")
def marts(engine_settings: EngineSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    built = Built(engine_settings, write_lake(tmp_path_factory.mktemp("lake")))
    yield built
    told = {
        "engines": ["duckdb", *sorted({engine for engine, _ in built.compared})],
        "marts": len({mart for _, mart in built.compared}),
        "differing_rows": sum(built.compared.values()),
    }
    report = project_root() / ".local" / "parity.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(told) + "\n", "utf-8")


def _rows(table: pa.Table) -> Counter[tuple[object, ...]]:
    return Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))


@every_engine
def test_every_mart_is_compared(engine: str, marts: Built) -> None:
    assert tuple(sorted(marts[engine])) == MARTS


@pytest.mark.parametrize("mart", MARTS)
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_engines_agree_row_for_row(engine: str, mart: str, marts: Built) -> None:
    first, second = marts["duckdb"][mart], marts[engine][mart]
    assert first.column_names == second.column_names
    assert first.schema.types == second.schema.types
    one, other = _rows(first), _rows(second)
    assert one, f"{mart} is empty: nothing was compared"
    differing = (one - other) + (other - one)
    marts.compared[engine, mart] = differing.total()
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


@every_engine
def test_the_lake_was_nasty_enough(engine: str, marts: Built) -> None:
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


@every_engine
def test_nothing_of_the_night_itself_is_looked_at(engine: str, marts: Built) -> None:
    """Rows at `as_of` belong to the next night; the microsecond before it does not."""
    assert max(marts[engine]["fct_interactions"].column("occurred_at").to_pylist()) < AS_OF.replace(tzinfo=None)


def test_duckdb_reads_parquet_files_where_they_lie(marts: Built) -> None:
    """DuckDB keeps no copy of the lake: its `lake` schema holds views only."""
    assert marts["duckdb"]
    with open_engine(marts.settings["duckdb"]) as engine:
        kinds = engine.read("select distinct table_type from information_schema.tables where table_schema = 'lake'")
    assert kinds.to_pylist() == [{"table_type": "VIEW"}]


@pytest.mark.spark
def test_spark_reads_parquet_files_where_they_lie(marts: Built) -> None:
    """Spark keeps no copy of the lake: its tables consist of the lake's own files."""
    assert marts["spark"]
    with open_engine(marts.settings["spark"]) as engine:
        found = engine.read("select file_path from c360.lake.interaction.files").column(0).to_pylist()
    assert sorted(found) == sorted(f"file:{file.path}" for file in marts.files if file.entity == "interaction")
