"""Engine spark on a real cluster: the lake in place, tables that merge and remember, every kind of endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer360.contracts import lake_schema
from customer360.dbt_runner import run_dbt
from customer360.engines import Engine, LakeFile, open_engine, spark_cluster, spark_lake
from customer360.engines.spark import SparkEngine
from customer360.engines.spark_runtime import iceberg_jar
from customer360.settings import Settings
from waiting import until

pytestmark = pytest.mark.spark


@pytest.fixture
def settings(spark_settings: Settings, tmp_path: Path) -> Settings:
    """The session's cluster with tables of one's own, in a folder that is awkward to quote."""
    return replace(spark_settings, spark_warehouse=str(tmp_path / "ware'house' (1)"))


# The cluster --------------------------------------------------------------------------------------


def test_a_master_two_workers_and_a_server_listen_on_loopback_only(spark_settings: Settings) -> None:
    cluster = spark_cluster.status(spark_cluster.folder(spark_settings))
    assert cluster is not None
    running = [found for process in cluster.processes if (found := process.running())]
    names = [" ".join(process.cmdline()) for process in running]
    for daemon, count in (("master.Master", 1), ("worker.Worker", 2), ("SparkConnectServer", 1)):
        assert sum(daemon in name for name in names) == count
    family = [each for process in running for each in (process, *process.children(recursive=True))]
    listening = {
        address.laddr.ip
        for process in family
        for address in process.net_connections("tcp")
        if address.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_starting_what_runs_changes_nothing(spark_settings: Settings) -> None:
    folder = spark_cluster.folder(spark_settings)
    before = spark_cluster.status(folder)
    assert spark_cluster.start(folder, iceberg_jar(spark_settings)) == before


ENDLESS = "select count(*) as n from range(0, 10000000, 1, 1) as a join range(0, 10000000, 1, 1) as b on a.id <> -b.id"


def test_what_a_killed_process_had_asked_for_is_given_up(spark_settings: Settings, tmp_path: Path) -> None:
    """Or its last statement would be carried out beside, or after, those of the next try."""
    ask = f"""
from pathlib import Path
from customer360.engines import open_engine
from customer360.settings import Settings
from dataclasses import replace
given = replace(Settings.from_env(), engine="spark", engine_url={spark_settings.engine_url!r}, local=Path({str(tmp_path)!r}))
with open_engine(given) as engine:
    engine.read("select count(*) as n from range(0, 1000, 1, 4)")
    print("begins", flush=True)
    engine.define("marts", "late", {ENDLESS!r})
"""
    asking = subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    assert asking.stdout.readline() == "begins\n"
    time.sleep(5)
    assert computing(spark_settings)
    asking.kill()
    asking.communicate()
    assert computing(spark_settings)
    until(lambda: not computing(spark_settings), 60, "it goes on")


def test_who_waits_long_is_answered(settings: Settings) -> None:
    """A statement longer than Spark listens to nobody, twice over."""
    with open_engine(settings) as engine:
        waited = "select java_method('java.lang.Thread', 'sleep', id + 40000L) as nothing, id from range(0, 1, 1, 1)"
        began = time.monotonic()
        assert engine.read(waited).column("id").to_pylist() == [0]
        assert time.monotonic() > began + 40


def computing(settings: Settings) -> bool:
    """Whether an executor of the cluster is busy for a second on end."""
    cluster = spark_cluster.status(spark_cluster.folder(settings))
    assert cluster is not None
    workers = [found for process in cluster.processes if (found := process.running())]
    executors = [each for worker in workers for each in worker.children()]
    before = [sum(each.cpu_times()[:2]) for each in executors]
    time.sleep(1)
    return any(sum(each.cpu_times()[:2]) > was + 0.25 for each, was in zip(executors, before, strict=True))


# The lake -----------------------------------------------------------------------------------------


def spend(
    folder: Path, batch: str, *, without: tuple[str, ...] = (), rows: int = 1, statistics: bool = True
) -> LakeFile:
    """A file of the entity ad_spend, perhaps of an older contract that lacks some columns."""
    filled: dict[str, Any] = {
        "source": "it's `ads`",
        "batch_id": batch * 32,
        "loaded_as_of": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        "record_key": 1,
        "row_hash": 1,
        "source_record_id": "x",
        "row_number": 1,
        "spend_date": date(2024, 2, 29),
        "platform": "meta",
        "campaign": "Frühling",
        "cost": Decimal("-1.500000"),
    }
    schema = pa.schema([field for field in lake_schema("ad_spend") if field.name not in without])
    rows_given = [{name: value for name, value in filled.items() if name not in without}] * rows
    path = folder / f"{batch * 32}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows_given, schema=schema), path, write_statistics=statistics)
    return LakeFile("ad_spend", "it's `ads`", batch * 32, str(path))


@pytest.mark.parametrize("statistics", [True, False])
def test_the_lake_is_read_where_it_lies(statistics: bool, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "it's `ads` #1 %20" / "ad_spend"
    one, three = (spend(folder, batch, statistics=statistics) for batch in "ac")
    two = spend(folder, "b", without=("campaign",), rows=2, statistics=statistics)

    def rows(engine: Engine) -> list[dict[str, Any]]:
        return engine.read("select batch_id, campaign from lake.ad_spend order by batch_id, campaign").to_pylist()

    with open_engine(settings) as engine:
        engine.stage([one, two, three])
        assert [row["campaign"] for row in rows(engine)] == ["Frühling", None, None, "Frühling"]
        engine.stage([one, two])
        assert {row["batch_id"][0] for row in rows(engine)} == {"a", "b"}
        engine.stage([two, three])
        assert {row["batch_id"][0] for row in rows(engine)} == {"b", "c"}
        listed = engine.read("select file_path from c360.lake.ad_spend.files").column(0).to_pylist()
        assert sorted(listed) == [f"file:{two.path}", f"file:{three.path}"]
        found = engine.read("select loaded_as_of, spend_date, cost from lake.ad_spend limit 1").to_pylist()
        assert found == [
            {
                "loaded_as_of": datetime(2026, 3, 29, 1, 30),
                "spend_date": date(2024, 2, 29),
                "cost": Decimal("-1.500000"),
            }
        ]
        engine.stage([])
        assert rows(engine) == []
        engine.reset()
    assert len(list(folder.iterdir())) == 3, "a file of the lake was removed"


# Rows in and out ----------------------------------------------------------------------------------


def test_rows_come_back_as_they_went(settings: Settings) -> None:
    table = pa.table(
        {
            "key": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
            "word": ["İ'\"\\\n", "", None],
            "sum": pa.array([Decimal("-0.005000"), Decimal("999999999999.999999"), None], pa.decimal128(18, 6)),
            "at": pa.array([datetime(1900, 1, 1), datetime(2025, 3, 30, 1, 30, 0, 1), None], pa.timestamp("us")),
            "day": pa.array([date(2024, 2, 29), date(1, 1, 1), None]),
            "yes": [True, False, None],
        }
    )
    with open_engine(settings) as engine:
        engine.write("identity", "passage", table)
        found = engine.read("select * from identity.passage order by key nulls last")
        assert found.equals(table)
        engine.write("identity", "passage", table.slice(0, 0))
        assert engine.read("select * from identity.passage").equals(table.slice(0, 0))
    assert not any((Path(settings.spark_warehouse or "") / "exchange").iterdir()), "rows were left lying about"


def test_tables_merge_and_remember(settings: Settings) -> None:
    with SparkEngine(settings) as engine:
        engine.write("identity", "words", pa.table({"key": [1, 2], "word": ["kept", "first"]}))
        engine.statements.run(
            "merge into identity.words as w using (select 2L as key, 'changed' as word union all select 3L, 'new') as n"
            " on w.key = n.key when matched then update set * when not matched then insert *"
        )
        words = engine.read("select word from identity.words order by key").column(0).to_pylist()
        assert words == ["kept", "changed", "new"]
        ((first,),) = engine.statements.rows(
            "select snapshot_id from c360.identity.words.snapshots order by committed_at limit 1"
        )
        before = engine.read(f"select word from identity.words version as of {first} order by key")
        assert before.column(0).to_pylist() == ["kept", "first"]


# Upkeep -------------------------------------------------------------------------------------------


def test_what_tables_were_goes_and_what_they_are_stays(settings: Settings, tmp_path: Path) -> None:
    """Snapshots, files that no table knows, and rows that a killed process left; never a file of the lake."""
    warehouse = Path(settings.spark_warehouse or "")
    one, two = (spend(tmp_path / "lake" / "ad_spend", batch) for batch in "ab")
    with SparkEngine(settings) as engine:
        engine.stage([one, two])
        engine.stage([two])
        for word in ("first", "second", "third"):
            engine.write("marts", "words", pa.table({"key": [1, 2, 3], "word": [word] * 3}))
        engine.run("delete from marts.words where key = 2")
        data = warehouse / "tables" / "marts" / "words" / "data"
        killed = warehouse / "exchange" / "killed"
        killed.mkdir(parents=True)
        orphan, arriving, dead, alive = (data / "old.parquet", data / "new.parquet", killed / "a", killed.parent / "b")
        for path in (orphan, arriving, dead, alive):
            path.write_bytes(b"half a file")
        for path in (orphan, dead):
            os.utime(path, (time.time() - 3 * 86400,) * 2)
        before = {path for path in data.iterdir() if path.suffix == ".parquet"}
        assert engine.expire(datetime.now(UTC) - timedelta(days=7)) == 2  # the orphan, and the dead passage
        assert {path for path in data.iterdir() if path.suffix == ".parquet"} == before - {orphan}
        assert engine.expire(datetime.now(UTC)) > 0
        kept = engine.read("select file_path from c360.marts.words.files").column(0).to_pylist()
        assert {path for path in data.iterdir() if path.suffix == ".parquet"} == {
            arriving,
            *(Path(path.removeprefix("file:")) for path in kept),
        }
        assert engine.read("select key, word from marts.words order by key").to_pylist() == [
            {"key": 1, "word": "third"},
            {"key": 3, "word": "third"},
        ]
        assert (killed.exists(), alive.exists()) == (False, True)
        assert engine.read("select count(*) as n from lake.ad_spend").to_pylist() == [{"n": 1}]
        assert engine.expire(datetime.now(UTC)) == 0
    assert all(Path(file.path).exists() for file in (one, two)), "a file of the lake was removed"


def test_a_table_of_the_lake_does_not_remember_for_ever(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_lake, "_SNAPSHOTS", 2)
    one, two = (spend(tmp_path / "lake" / "ad_spend", batch) for batch in "ab")
    with SparkEngine(settings) as engine:
        for night in ([one], [two], [one], [one, two]):
            engine.stage(night)
            found = engine.read("select batch_id from lake.ad_spend order by batch_id").column(0).to_pylist()
            assert found == sorted(file.batch_id for file in night)
            ((snapshots,),) = engine.statements.rows("select count(*) from c360.lake.ad_spend.snapshots")
            assert snapshots <= 4  # two, and those of a night
    assert all(Path(file.path).exists() for file in (one, two)), "a file of the lake was removed"


# Endpoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["thrift", "none"])
def test_other_endpoints_of_an_existing_cluster(
    server: str, spark_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Thrift server, and a driver of our own on a master: lake in, dbt, rows out."""
    home = tmp_path / "cluster"
    try:
        cluster = spark_cluster.start(home, iceberg_jar(spark_settings), server=server)
        monkeypatch.setenv("SPARK_CONF_DIR", str(home / "conf"))  # knows the cluster's secret
        given = replace(spark_settings, engine_url=cluster.endpoint, local=tmp_path, spark_warehouse=None)
        with open_engine(given) as engine:
            engine.stage([spend(tmp_path / "lake", "a")])
            engine.release()
            built = run_dbt(given, engine, "build", select="stg_lake__ad_spend", vars={"as_of": "2026-03-02 00:00:00"})
            assert {node.status for node in built.nodes} <= {"success", "pass"}
            found = engine.read("select spend_date, loaded_as_of, cost from staging.stg_lake__ad_spend").to_pylist()
        assert found == [
            {
                "spend_date": date(2024, 2, 29),
                "loaded_as_of": datetime(2026, 3, 29, 1, 30),
                "cost": Decimal("-1.500000"),
            }
        ]
    finally:
        spark_cluster.stop(home)
