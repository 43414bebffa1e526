"""The same lake gives the same marts on every engine, row for row, numerics exact.

Every engine is compared with DuckDB.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from scipy.stats import CensoredData, ecdf

from customer360.attribution import markov
from customer360.attribution.config import load
from customer360.dbt_runner import ROWS_AND_SUMS, run_dbt
from customer360.engines import LakeFile, open_engine
from customer360.settings import project_root
from parity.adversarial import AS_OF, write_lake
from parity.compare import MARTS, Compared, Marts, MartsByEngine, read_marts
from parity.conftest import ENGINES, EngineSettings
from parity.lifecycle_reference import STAGES, daily, dormant, local_day, median_days, stays
from parity.standin import write_identity

ZONE = "Europe/Berlin"  # where the night is an hour old
MODELS = {
    *("first", "last", "last_non_direct", "linear", "position_based", "w_shaped", "time_decay", "markov", "shapley")
}
every_engine = pytest.mark.parametrize("engine", ENGINES)


class Built(MartsByEngine):
    """The adversarial lake's."""

    def __init__(self, settings: EngineSettings, files: list[LakeFile]) -> None:
        super().__init__()
        self.settings = settings
        self.files = files

    def build(self, name: str) -> Marts:
        configured = load(project_root() / "dags" / "attribution.yml")
        night = {"as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}", "timezone": ZONE} | configured.as_vars()
        settings = self.settings[name]
        with open_engine(settings) as engine:
            engine.stage(self.files)
            engine.release()
            run_dbt(settings, engine, "build", select="+tag:identity_input", vars=night)
            write_identity(engine, AS_OF)
            engine.release()
            run_dbt(settings, engine, "build", **ROWS_AND_SUMS, vars=night)
            markov.solve(engine, configured)
            engine.release()
            run_dbt(settings, engine, "build", select="tag:whole", vars=night)
            return read_marts(engine)


@pytest.fixture(scope="module")
def marts(engine_settings: EngineSettings, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(engine_settings, write_lake(tmp_path_factory.mktemp("lake")))


@every_engine
def test_every_mart_is_compared(engine: str, marts: Built) -> None:
    assert tuple(sorted(marts[engine])) == MARTS


@pytest.mark.parametrize("mart", MARTS)
@pytest.mark.parametrize("engine", ENGINES[1:])
def test_engines_agree_row_for_row(engine: str, mart: str, marts: Built, compared: Compared) -> None:
    assert compared.differing("adversarial", engine, mart, marts["duckdb"][mart], marts[engine][mart]) == []


# What the lake must contain, so that agreement means something.


@every_engine
def test_the_lake_was_nasty_enough(engine: str, marts: Built) -> None:
    found = marts[engine]
    credit = found["attribution_credit"].to_pylist()
    assert {row["model"] for row in found["attribution_summary"].to_pylist()} == MODELS
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


# What the lifecycle says, beside a count in Python.


def test_each_day_of_the_lifecycle_is_what_counting_gives(marts: Built) -> None:
    rows = marts["duckdb"]["lifecycle_daily"].to_pylist()
    found = {(row["day"], row["stage"]): (row["opening"], row["entries"], row["exits"], row["closing"]) for row in rows}
    last = local_day(AS_OF, ZONE)
    first = last - timedelta(days=36525)  # seed lifecycle_parameters; somebody moved before
    transitions = marts["duckdb"]["lifecycle_transitions"].to_pylist()
    assert any(local_day(row["occurred_at"], ZONE) < first for row in transitions)
    assert any(local_day(row["occurred_at"], ZONE) != row["occurred_at"].date() for row in transitions)
    assert found == daily(transitions, ZONE, first, last)


def test_the_funnel_is_what_counting_and_the_exact_curve_give(marts: Built) -> None:
    transitions = marts["duckdb"]["lifecycle_transitions"].to_pylist()
    night = AS_OF.replace(tzinfo=None)
    cohorts = {("all", "all"): stays(transitions, night)}
    for row in marts["duckdb"]["customer_360"].to_pylist():
        one = cohorts["all", "all"][row["customer_id"]]
        entered = min(each["occurred_at"] for each in transitions if each["customer_id"] == row["customer_id"])
        for by, cohort in (
            ("entry_month", f"{local_day(entered, ZONE):%Y-%m}"),
            ("acquisition_source", row["acquisition_source"] or "(none)"),
            ("region", row["region"] or "(none)"),
        ):
            cohorts.setdefault((by, cohort), {})[row["customer_id"]] = one
    expected = {}
    medians = 0
    for (by, cohort), people in cohorts.items():
        for rank, stage in enumerate(STAGES):
            there = {one: [each for each in seen if each[0] == stage] for one, seen in people.items()}
            there = {one: seen for one, seen in there.items() if seen}
            if not there:
                continue
            over = [(days, is_over) for seen in there.values() for _, days, is_over in seen]
            gone_on = sum(
                max(STAGES.index(each[0]) for each in people[one][[x[0] for x in people[one]].index(stage) :]) > rank
                for one in there
            )
            median = median_days(over) if len(there) >= 10 else None
            medians += median is not None
            expected[by, cohort, stage] = (len(there), len(over), sum(is_over for _, is_over in over), gone_on, median)
            assert median == (scipy_median(over) if len(there) >= 10 else None)
    rows = marts["duckdb"]["lifecycle_funnel"].to_pylist()
    names = ("customers", "entries", "exits", "converted", "median_days")
    assert {
        (row["cohort_by"], row["cohort"], row["stage"]): tuple(row[name] for name in names) for row in rows
    } == expected
    assert medians > 10, "too few medians to mean something"
    assert any(row["is_too_few"] for row in rows)


def scipy_median(over: list[tuple[int, bool]]) -> int | None:
    """The median by a library's estimator, which rounds: a hair above a half counts as one."""
    gone, there = ([days for days, is_over in over if is_over == which] for which in (True, False))
    if not gone:
        return None
    curve = ecdf(CensoredData(uncensored=gone, right=there)).sf
    reached = curve.quantiles[curve.probabilities <= 0.5 + 1e-9]
    return int(reached[0]) if len(reached) else None


def test_customers_are_dormant_while_nobody_hears_of_them(marts: Built) -> None:
    signs: dict[int, list[datetime]] = defaultdict(list)
    for row in marts["duckdb"]["fct_interactions"].to_pylist():
        if row["interaction_class"] == "person" and row["customer_id"] is not None:
            signs[row["customer_id"]].append(row["occurred_at"])
    for row in marts["duckdb"]["lifecycle_history"].to_pylist():  # every order and every transition is in it
        signs[row["customer_id"]].append(row["began_at"])
    overlays = [row for row in marts["duckdb"]["lifecycle_overlays"].to_pylist() if row["overlay"] == "dormant"]
    found = {(row["customer_id"], row["began_at"], row["ended_at"]) for row in overlays}
    night = AS_OF.replace(tzinfo=None)
    assert found == {(one, *spell) for one, seen in signs.items() for spell in dormant(seen, 180, night)}
    assert any(end is None for *_, end in found)
    assert any(end is not None for *_, end in found)


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
