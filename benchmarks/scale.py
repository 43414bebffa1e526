"""What a full build and a night of changes cost as the company grows: `make bench-scale`.

Figures are CPU seconds, also as multiples of one plain scan of the lake's Parquet in the same run. An engine's
cost is that of staging, identity and marts; comparing profiles, starting processes (Python, dbt's parsing) and serving
(PostgreSQL, the audit) are reported apart, and so is starting Spark's cluster; what its processes compute is the engine's. After
the nights everything is built anew and compared with what they left, table by table. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from measure import Cost, Daemons, measured
from nightly import SIZES, generated, server_cpu_s

from customer360 import postgres
from customer360.dbt_runner import manifest_path
from customer360.demo import scale
from customer360.engines import open_engine, spark_cluster
from customer360.ops import migrate
from customer360.publish.marts import published_marts
from customer360.settings import Settings

STEPS = ("stage", "identify", "transform", "propose", "audit", "publish")
ENGINE_STEPS = STEPS[:3]
NIGHTS = (("1pct", 0.01), ("01pct", 0.001))
STEP = """
import json, sys
from customer360 import nightly
step, path = sys.argv[1:]
night = json.loads(open(path).read())
night = getattr(nightly, step)(night)
open(path, "w").write(json.dumps(night))
"""
START = """
import sys
from customer360 import ledger, nightly
from customer360.dbt_runner import run_dbt
from customer360.engines import open_engine
from customer360.identity import resolve
from customer360.settings import Settings
from customer360.slices import opening, placing
settings = Settings.from_env()
with open_engine(settings) as engine:
    engine.run("select 1")
    engine.release()
    for _ in range(int(sys.argv[1])):
        run_dbt(settings, engine, "build", select="nothing")
"""
SCAN = """
import sys, duckdb
engine = duckdb.connect()
engine.execute("set threads = 2")
for entity in ("interaction", "identifier", "contact_record", "opportunity", "opportunity_stage", "sales_order", "ad_spend"):
    files = f"{sys.argv[1]}/*/{entity}/*.parquet"
    columns = [row[0] for row in engine.execute(f"describe select * from read_parquet('{files}')").fetchall()]
    engine.execute("select " + ", ".join(f"min({name})" for name in columns) + f" from read_parquet('{files}')").fetchall()
"""
Figures = dict[str, Any]


@dataclass
class Night:
    """What one night cost, step by step."""

    costs: dict[str, Cost] = field(default_factory=dict)
    server_cpu_s: float = 0.0
    spark_cpu_s: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    parses: int = 0  # how often dbt parsed the project: when it met other variables than ever before

    def engine_cpu_s(self, starts: Starts, *, in_server: bool) -> float:
        """Staging, identity and marts, without comparing profiles and starting processes; `in_server`: the server's
        work is the engine's."""
        # Staging runs dbt once, the marts twice, each from a process that imports it.
        of_dbt = 2 * starts.dbt_s + starts.dbt_again_s + self.parses * starts.parse_s
        spent = sum(self.costs[step].cpu_s for step in ENGINE_STEPS)
        return (
            spent
            - self.linkage_cpu_s
            - starts.python_s * len(ENGINE_STEPS)
            - of_dbt
            + (self.server_cpu_s if in_server else 0)
            + self.spark_cpu_s
        )

    @property
    def linkage_cpu_s(self) -> float:
        return float(self.result["identity"]["linkage_cpu_s"])

    def peak_mb(self) -> float:
        return max(self.costs[step].peak_mb for step in ENGINE_STEPS)


@dataclass(frozen=True)
class Starts:
    """CPU seconds of what does nothing: a process of Python with its imports, dbt in it with no model to build, dbt for
    another time in it, and parsing the project."""

    python_s: float
    dbt_s: float
    dbt_again_s: float
    parse_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100k,1m,10m")
    parser.add_argument("--engines", default="duckdb,postgres", help="postgres and spark only at 1m, spark also at 10m")
    chosen = parser.parse_args()
    engines = chosen.engines.split(",")
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as folder:
        starts = process_starts(Path(folder))
        figures |= {
            "python_start_cpu_s": round(starts.python_s, 2),
            "dbt_start_cpu_s": round(starts.dbt_s, 2),
            "dbt_start_again_cpu_s": round(starts.dbt_again_s, 2),
            "dbt_parse_cpu_s": round(starts.parse_s, 2),
        }
        for size in chosen.sizes.split(","):
            lake, figures[f"generate_s_{size}"] = generated(Path(folder) / f"lake-{size}", size)
            scan = measured([sys.executable, "-c", SCAN, str(lake.path)]).cpu_s
            figures[f"scan_cpu_s_{size}"] = round(scan, 2)
            print(f"one scan of the lake: {scan:.2f} CPU-s", flush=True)
            if "duckdb" in engines:
                figures |= duckdb_nights(Path(folder) / f"{size}-duckdb", size, lake, scan, starts)
            if "postgres" in engines and size == "1m":
                figures |= full(Path(folder) / f"{size}-postgres", size, lake, "postgres", starts)
            if "spark" in engines and size in ("1m", "10m"):
                figures |= full(Path(folder) / f"{size}-spark", size, lake, "spark", starts)
    figures |= _ratios(figures)
    print(json.dumps(figures))


def process_starts(folder: Path) -> Starts:
    environment = {"C360_LOCAL": str(folder / "starts"), "C360_ENGINE": "duckdb"}
    parsing, none, once, twice = (
        measured([sys.executable, "-c", START, str(commands)], environment).cpu_s for commands in (1, 0, 1, 2)
    )
    return Starts(none, once - none, twice - once, parsing - once)


def duckdb_nights(local: Path, size: str, lake: scale.ScaleLake, scan: float, starts: Starts) -> Figures:
    """The full build, then each of NIGHTS, then everything anew beside it."""
    settings = project(local, lake, "duckdb")
    figures: Figures = {}
    sent = changed = 0
    try:
        first = run(settings, lake.as_of, lake.files)
        full_cpu_s = first.engine_cpu_s(starts, in_server=False)
        report("duckdb", size, "full", first, full_cpu_s)
        figures |= {
            f"full_cpu_s_duckdb_{size}": round(full_cpu_s, 1),
            f"full_over_scan_duckdb_{size}": round(full_cpu_s / scan, 1),
            f"full_peak_mb_duckdb_{size}": round(first.peak_mb()),
            f"full_linkage_cpu_s_duckdb_{size}": round(first.linkage_cpu_s, 1),
            f"full_serving_cpu_s_duckdb_{size}": round(serving_cpu_s(first, starts), 1),
            f"lake_mb_{size}": _megabytes(lake.path),
            f"engine_mb_duckdb_{size}": _megabytes(settings.local / "engine"),
        }
        made_in_serving = {mart.name for mart in published_marts(manifest_path(settings)) if mart.is_appended}
        for number, (name, share) in enumerate(NIGHTS, start=1):
            night = run(settings, lake.as_of + timedelta(days=number), scale.write_night(lake, number, share))
            if not night.result["is_slice"]:
                raise RuntimeError(f"the night built everything: {night.result['whole_because']}")
            cpu_s = night.engine_cpu_s(starts, in_server=False)
            report("duckdb", size, f"{name} night ({night.result['slice_records']:,} records)", night, cpu_s)
            figures |= {
                f"night_{name}_cpu_s_duckdb_{size}": round(cpu_s, 2),
                f"night_{name}_over_scan_duckdb_{size}": round(cpu_s / scan, 2),
                f"night_{name}_linkage_cpu_s_duckdb_{size}": round(night.linkage_cpu_s, 2),
                f"night_{name}_serving_cpu_s_duckdb_{size}": round(serving_cpu_s(night, starts), 2),
            }
            # What serving itself makes of two publications does not travel.
            travelling = [change for name, change in night.result["changes"].items() if name not in made_in_serving]
            sent += sum(change["sent"] for change in travelling)
            changed += sum(change[kind] for change in travelling for kind in ("inserted", "changed", "removed"))
        figures[f"rows_sent_over_rows_changed_{size}"] = round(sent / max(changed, 1), 3)
        figures[f"night_differing_rows_{size}"] = differing_rows(
            settings, local, lake.as_of + timedelta(days=len(NIGHTS))
        )
        print(f"rows that differ from a full rebuild: {figures[f'night_differing_rows_{size}']}", flush=True)
    finally:
        postgres.drop(settings)
    return figures


def full(local: Path, size: str, lake: scale.ScaleLake, engine: str, starts: Starts) -> Figures:
    """The full build alone, of the lake as it was before any night."""
    settings = project(local, lake, engine)
    figures: Figures = {}
    cluster: Daemons | None = None
    try:
        if engine == "spark":
            cluster = spark_cluster_of(settings)
            figures[f"spark_start_cpu_s_{size}"] = round(cluster.cpu_s(), 1)
        first = run(settings, lake.as_of, lake.files, ENGINE_STEPS, cluster)
        cpu_s = first.engine_cpu_s(starts, in_server=engine == "postgres")
        peak_mb = first.peak_mb()
        if cluster:
            print(f"   of these in the cluster {first.spark_cpu_s:.1f} CPU-s; its processes {cluster.peak_mb():.0f} MB")
            figures[f"full_cluster_peak_mb_spark_{size}"] = round(cluster.peak_mb())
        report(engine, size, "full", first, cpu_s)
        return figures | {
            f"full_cpu_s_{engine}_{size}": round(cpu_s, 1),
            f"full_peak_mb_{engine}_{size}": round(peak_mb),
            f"full_wall_s_{engine}_{size}": round(sum(cost.wall_s for cost in first.costs.values()), 1),
        }
    finally:
        if cluster:
            spark_cluster.stop(spark_cluster.folder(settings))
        postgres.drop(settings)


def spark_cluster_of(settings: Settings) -> Daemons:
    """The project's own cluster, started and in use for the first time."""
    with open_engine(settings) as engine:
        engine.read("select 1 as one")
    cluster = spark_cluster.status(spark_cluster.folder(settings))
    if cluster is None:
        raise RuntimeError("the Spark cluster has ended")
    return Daemons([process.pid for process in cluster.processes])


def project(local: Path, lake: scale.ScaleLake, engine: str) -> Settings:
    """A project of its own on the lake, with a private server; the environment says the same."""
    local.mkdir(parents=True)
    for name in ("C360_LANDING", "C360_SOURCES", "C360_SERVING_URL"):
        os.environ.pop(name, None)
    os.environ |= {"C360_LOCAL": str(local), "C360_LAKE": str(lake.path), "C360_ENGINE": engine, "C360_FSYNC": "off"}
    os.environ |= {"C360_MEMORY_LIMIT": os.environ.get("C360_MEMORY_LIMIT") or "3GB"}
    settings = Settings.from_env()
    with postgres.connect(settings, application_name="bench") as connection:
        migrate(connection)
    return settings


def run(
    settings: Settings,
    as_of: datetime,
    files: Sequence[Any],
    steps: Sequence[str] = STEPS,
    cluster: Daemons | None = None,
) -> Night:
    """One night, each step in a process of its own; `cluster` computes for it."""
    from customer360 import nightly

    with postgres.connect(settings, application_name="bench") as connection:
        scale.account(connection, files, as_of)
    state = settings.local / "night.json"
    state.write_text(json.dumps(nightly.begin(as_of, "bench")), "utf-8")
    found, parsed = Night(), _manifests(settings)
    idle = cluster.cpu_s() if cluster else 0.0
    for step in steps:
        before = server_cpu_s(settings)
        found.costs[step] = measured([sys.executable, "-c", STEP, step, str(state)])
        if step in ENGINE_STEPS:
            found.server_cpu_s += server_cpu_s(settings) - before
        else:
            found.costs[step] = Cost(
                found.costs[step].cpu_s + server_cpu_s(settings) - before,
                found.costs[step].peak_mb,
                found.costs[step].wall_s,
            )
    found.result = json.loads(state.read_text("utf-8"))
    found.spark_cpu_s = cluster.cpu_s() - idle if cluster else 0.0
    found.parses = _manifests(settings) - parsed
    return found


def _manifests(settings: Settings) -> int:
    return len(list((settings.local / "dbt" / "manifests").glob("*.msgpack")))


def serving_cpu_s(night: Night, starts: Starts) -> float:
    """Candidate, audit and publication, the server's own work included."""
    steps = STEPS[3:]
    return sum(night.costs[step].cpu_s for step in steps) - starts.python_s * len(steps)


def differing_rows(settings: Settings, local: Path, as_of: datetime) -> int:
    """Rows of all marts in which what the nights left differs from everything built anew."""
    from customer360 import nightly

    names = {mart.name: [column.name for column in mart.columns] for mart in published_marts(manifest_path(settings))}
    os.environ |= {"C360_LOCAL": str(local / "anew"), "C360_SERVING_URL": postgres.serving_url(settings)}
    night = nightly.begin(as_of, "bench")
    for step in (nightly.stage, nightly.identify, nightly.transform):
        night = step(night)
    anew = Settings.from_env()
    os.environ |= {"C360_LOCAL": str(settings.local)}
    del os.environ["C360_SERVING_URL"]
    import duckdb

    total = 0
    with duckdb.connect(str(settings.local / "engine/customer360.duckdb"), read_only=True) as engine:
        engine.execute("set memory_limit = '8GB'")
        engine.execute(f"attach '{anew.local / 'engine/customer360.duckdb'}' as anew (read_only)")
        for name, columns in names.items():
            one, other = (f"select {', '.join(columns)} from {where}marts.{name}" for where in ("", "anew."))
            for query in (f"{one} except all {other}", f"{other} except all {one}"):
                (count,) = engine.execute(f"select count(*) from ({query})").fetchone() or (0,)
                total += count
    return total


def _megabytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def report(engine: str, size: str, what: str, night: Night, cpu_s: float) -> None:
    print(f"{engine} {size} {what}: {cpu_s:.1f} CPU-s without process starts; peak {night.peak_mb():.0f} MB")
    for step, cost in night.costs.items():
        print(f"   {step:<10} {cost.wall_s:7.1f} s  {cost.cpu_s:7.1f} CPU-s  {cost.peak_mb:6.0f} MB", flush=True)


def _ratios(figures: Figures) -> Figures:
    found: Figures = {}
    if "full_cpu_s_postgres_1m" in figures and "full_cpu_s_duckdb_1m" in figures:
        found["postgres_over_duckdb_cpu_1m"] = round(
            figures["full_cpu_s_postgres_1m"] / figures["full_cpu_s_duckdb_1m"], 2
        )
    if "full_cpu_s_spark_10m" in figures and "full_cpu_s_spark_1m" in figures:
        found["spark_cpu_growth_1m_to_10m"] = round(figures["full_cpu_s_spark_10m"] / figures["full_cpu_s_spark_1m"], 2)
    largest = [size for size in SIZES if f"night_differing_rows_{size}" in figures]
    if largest:
        found["night_differing_rows"] = sum(figures[f"night_differing_rows_{size}"] for size in largest)
        found["rows_sent_over_rows_changed"] = figures[f"rows_sent_over_rows_changed_{largest[-1]}"]
    return found


if __name__ == "__main__":
    main()
