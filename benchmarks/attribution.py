"""Attribution of a million raw paths over twelve channels, beside three packages from PyPI: `make bench-attribution`.

Ours is the pipeline's own: `attribution.markov.solve` counts in the engine and solves; the shares of Shapley and of all nine
models are dbt's models of the project, run by dbt on a DuckDB file that holds touches and conversions as a night leaves
them. Peers read the same journeys from Parquet, each in a throw-away environment and a process of its own. CPU seconds
are of the whole process, less what a process that only imports costs. Errors are the largest relative deviation of a
channel's conversions from the exact answer, which is each chain solved anew without each channel.

The last line is one JSON object: markov_cpu_s_1m, markov_peak_mb_1m, markov_max_rel_error, shapley_cpu_s_1m,
all_models_cpu_s_10m, and what peers did, with channelattribution_, mam_ and mta_ before it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
from attribution_data import CHANNELS, write_paths, write_touches
from identity import environment
from measure import Cost, measured

from customer360.attribution.config import load
from customer360.settings import project_root

HERE = Path(__file__).parent
PEERS = {
    "channelattribution_": (["ChannelAttribution", "pandas", "pyarrow"], "channelattribution.py"),
    "mam_": (["marketing-attribution-models", "pandas", "pyarrow", "setuptools<81"], "mam.py"),
    "mta_": (["mta", "pandas", "pyarrow", "setuptools<81"], "mta_package.py"),
}
SOLVE = """
from customer360.attribution import markov
from customer360.attribution.config import of
from customer360.engines import open_engine
from customer360.settings import Settings
settings = Settings.from_env()
with open_engine(settings) as engine:
    markov.solve(engine, of(settings))
"""
IMPORT = SOLVE.split("settings =")[0]
DBT = """
import sys
from customer360.attribution.config import of
from customer360.dbt_runner import run_dbt
from customer360.engines import open_engine
from customer360.settings import Settings
settings = Settings.from_env()
said = {"as_of": "2026-12-01 00:00:00"} | of(settings).as_vars()
with open_engine(settings) as engine:
    engine.release()
    if sys.argv[1] == "nothing":
        run_dbt(settings, engine, "parse", vars=said)
    else:
        run_dbt(settings, engine, *sys.argv[1].split(), select=sys.argv[2], vars=said)
"""
SEEDS = "attribution_parameters attribution_models attribution_grains lifecycle_stages ad_platforms acquisition_sources"
PATHS = (
    "int_attribution__path_touch int_attribution__stage_change int_attribution__path attribution_credit"
    " attribution_conversions int_attribution__conversion_rule"
)
SUMMARY = "attribution_origins attribution_markov int_attribution__origin_credit"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--touches", type=int, default=10_000_000)
    parser.add_argument("--peers", default=",".join(PEERS))
    chosen = parser.parse_args()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as name:
        folder = Path(name)
        write_paths(folder / "paths.parquet", chosen.paths)
        exact = exact_answer(folder / "paths.parquet")
        figures |= ours(folder / "ours", chosen.paths, exact)
        figures |= everything(folder / "all", chosen.touches)
        for prefix in filter(None, chosen.peers.split(",")):
            figures |= peer(folder, prefix, exact)
    print(json.dumps(figures))


def exact_answer(paths: Path) -> dict[str, float]:
    """Conversions of each channel by the removal effects of the chain, solved anew without each channel."""
    place = {channel: index + 1 for index, channel in enumerate(CHANNELS)}
    size = len(CHANNELS) + 3  # start, channels, conversion, nothing
    counts = np.zeros((size, size))
    query = f"select path, sum(conversions), sum(nulls) from '{paths}' group by path"
    for path, won, lost in duckdb.sql(query).fetchall():
        steps = [0, *(place[channel] for channel in path.split(" > "))]
        np.add.at(counts, (steps[:-1], steps[1:]), won + lost)
        counts[steps[-1], size - 2] += won
        counts[steps[-1], size - 1] += lost
    moves = counts[:-2] / counts[:-2].sum(axis=1, keepdims=True)

    def chance(gone: int | None) -> float:
        inner, won = moves[:, :-2].copy(), moves[:, -2]
        if gone is not None:
            inner[:, gone] = 0
        return float(np.linalg.solve(np.eye(size - 2) - inner, won)[0])

    effects = np.array([1 - chance(index) / chance(None) for index in place.values()])
    total = counts[:, size - 2].sum()
    return dict(zip(CHANNELS, effects / effects.sum() * total, strict=True))


def error(exact: dict[str, float], found: dict[str, float]) -> float:
    return max(abs(found.get(channel, 0.0) - value) / value for channel, value in exact.items())


def project(folder: Path, paths: int, converting: str) -> Path:
    """A project whose engine holds made-up touches and conversions; the environment says so. Its DuckDB file."""
    (folder / "engine").mkdir(parents=True)
    (folder / "attribution.yml").write_text(
        "version: 1\nconversions:\n  order: {when: order, lookback_days: 365}\n", "utf-8"
    )
    os.environ |= {"C360_LOCAL": str(folder), "C360_ENGINE": "duckdb", "C360_THREADS": "2"}
    os.environ |= {"C360_SOURCES": str(folder / "sources.yml"), "C360_MEMORY_LIMIT": "4GB"}
    file = folder / "engine" / "customer360.duckdb"
    write_touches(file, paths, converting)
    measured([sys.executable, "-c", DBT, "build", SEEDS])
    return file


def dbt(command: str, models: str) -> Cost:
    return measured([sys.executable, "-c", DBT, command, models])


def ours(folder: Path, paths: int, exact: dict[str, float]) -> dict[str, object]:
    file = project(folder, paths, "hash(p, 'won') % 5 = 0")
    dbt("run", PATHS)
    idle = measured([sys.executable, "-c", IMPORT])
    markov = measured([sys.executable, "-c", SOLVE])
    with duckdb.connect(str(file), read_only=True) as engine:
        found = dict(
            engine.execute(
                "select channel_group, cast(share as double) * (select sum(conversions) from marts.attribution_credit"
                " where is_last) from attribution.markov where grain = 'channel'"
            ).fetchall()
        )
    shapley = measured([sys.executable, "-c", SHAPLEY, str(file), str(compiled(folder))])
    shapley_idle = measured([sys.executable, "-c", "import duckdb"])
    told: dict[str, object] = {
        "markov_cpu_s_1m": round(markov.cpu_s - idle.cpu_s, 2),
        "markov_with_start_cpu_s_1m": round(markov.cpu_s, 2),
        "markov_peak_mb_1m": round(markov.peak_mb),
        "markov_max_rel_error": float(error(exact, found)),
        "shapley_cpu_s_1m": round(shapley.cpu_s - shapley_idle.cpu_s, 2),
    }
    print(f"ours: {told}", flush=True)
    return told


# The compiled model of credit, asked for Shapley's shares alone: DuckDB computes no other column of it.
SHAPLEY = """
import sys, duckdb
from pathlib import Path
engine = duckdb.connect(sys.argv[1], read_only=True)
engine.execute("set threads = 2")
credit = Path(sys.argv[2]).read_text()
engine.execute(f"select origin_id, sum(credit_shapley) from ({credit}) as c group by origin_id").fetchall()
"""


def compiled(folder: Path) -> Path:
    models = folder / "dbt" / "duckdb" / "compiled" / "customer360" / "models"
    return models / "marts" / "attribution" / "attribution_credit.sql"


def everything(folder: Path, touches: int) -> dict[str, object]:
    """All nine models over so many touches of paths that all convert: path, credit, chain and sums by origin."""
    project(folder, touches * 10 // 43, "true")  # 4.3 touches a path
    starts = dbt("nothing", "").cpu_s
    spent = [dbt("run", PATHS), measured([sys.executable, "-c", SOLVE]), dbt("run", SUMMARY)]
    with duckdb.connect(str(folder / "engine" / "customer360.duckdb"), read_only=True) as engine:
        (rows,) = engine.execute("select count(*) from marts.attribution_credit").fetchone() or (0,)
    told: dict[str, object] = {
        "all_models_cpu_s_10m": round(sum(cost.cpu_s for cost in spent) - 2 * starts, 1),
        "all_models_touches": rows,
        "all_models_peak_mb_10m": round(max(cost.peak_mb for cost in spent)),
    }
    print(f"all nine: {told}", flush=True)
    return told


def peer(folder: Path, prefix: str, exact: dict[str, float]) -> dict[str, object]:
    """What a package from PyPI did: CPU seconds, MB and error, or why it did not."""
    packages, script = PEERS[prefix]
    answer = folder / f"{prefix}answer.json"
    try:
        python = environment(folder / prefix, packages)
        idle = measured([python, "-c", "import pandas"])
        told: dict[str, object] = {}
        for model in ("markov", "shapley"):
            cost = measured(
                [python, str(HERE / "attributors" / script), model, str(folder / "paths.parquet"), str(answer)]
            )
            told[f"{prefix}{model}_cpu_s_1m"] = round(cost.cpu_s - idle.cpu_s, 2)
            told[f"{prefix}{model}_peak_mb_1m"] = round(cost.peak_mb)
            if model == "markov":
                told[f"{prefix}markov_max_rel_error"] = error(exact, json.loads(answer.read_text("utf-8")))
    except (subprocess.CalledProcessError, RuntimeError) as failed:
        reason = str(failed).strip().splitlines()[-1][:300]
        told = told if "told" in locals() else {}
        told[f"{prefix}failed"] = reason
    print(f"{prefix[:-1]}: {told}", flush=True)
    return told


if __name__ == "__main__":
    load(project_root() / "dags" / "attribution.yml")
    main()
