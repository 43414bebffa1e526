"""Attribution of a million raw paths over twelve channels, beside three packages from PyPI: `make bench-attribution`.

Ours is the pipeline's own: dbt counts the steps between touches and `attribution.markov.solve` solves the chain; the
shares of Shapley and of all nine models are dbt's models of the project, run by dbt on a DuckDB file that holds touches
and conversions as a night leaves them. Peers read the same journeys from Parquet, each in a throw-away environment and a
process of its own. One journey in five converts. All nine models are computed over ten million touches, once of such
journeys and once, which is harder, of journeys that all convert.

CPU seconds are of the whole process, less what a process costs that only imports, or dbt that builds one table of four
rows (a night's dbt runs anyway); of Shapley's, which take no second, the least of three runs. Errors are the largest
relative deviation of a channel's conversions from the exact answer: of Markov, each chain solved anew without each
channel; of Shapley, the mean over all coalitions of channels, where a coalition is worth the conversions of the journeys
that met no other channel.

The last line is one JSON object: markov_cpu_s_1m, markov_peak_mb_1m, markov_max_rel_error, shapley_cpu_s_1m,
shapley_max_rel_error, all_models_cpu_s_10m, all_models_all_convert_cpu_s_10m, and what peers did, with channelattribution_,
mam_ and mta_ before it. Figures of a peer that did not run are null, with the reason beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from math import factorial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from attribution_data import CHANNELS, write_paths, write_touches
from identity import environment
from measure import Cost, measured

from customer360.attribution.config import load
from customer360.settings import project_root

HERE = Path(__file__).parent
Exact = dict[str, dict[str, float]]  # {model: {channel: conversions}}
PEERS = {
    "channelattribution_": (["ChannelAttribution==2.2.5", "matplotlib", "pandas", "pyarrow"], "channelattribution.py"),
    "mam_": (["marketing-attribution-models==2.1.1", "pandas", "pyarrow"], "mam_package.py"),
    "mta_": (["mta==0.0.9", "pandas", "pyarrow"], "mta_package.py"),
}
LACKING = {("channelattribution_", "shapley"): "it has no such model"}
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
STEPS = " ".join(f"int_attribution__{name}" for name in ("step", "touched_origin", "converted_step", "answered_step"))
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
        exact = {"markov": exact_markov(folder / "paths.parquet"), "shapley": exact_shapley(folder / "paths.parquet")}
        figures |= ours(folder / "ours", chosen.paths, exact)
        figures |= everything(folder / "all", chosen.touches)
        figures |= everything(folder / "all_convert", chosen.touches, all_convert=True)
        for prefix in filter(None, chosen.peers.split(",")):
            figures |= peer(folder, prefix, exact)
    print(json.dumps(figures))


def exact_markov(paths: Path) -> dict[str, float]:
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


def exact_shapley(paths: Path) -> dict[str, float]:
    """Conversions of each channel by the definition: what it adds, weighed over all coalitions of the others."""
    count = len(CHANNELS)
    worth = np.zeros(2**count)  # by coalition, a bit for each channel
    query = f"select list_distinct(string_split(path, ' > ')), sum(conversions) from '{paths}' group by 1"
    for met, won in duckdb.sql(query).fetchall():
        worth[sum(1 << CHANNELS.index(channel) for channel in met)] += won
    coalitions = np.arange(2**count)
    for bit in range(count):  # from what just these met to what no others met
        worth[coalitions >> bit & 1 == 1] += worth[coalitions >> bit & 1 == 0]
    size = np.array([each.bit_count() for each in range(2**count)])
    weight = np.array([factorial(n) * factorial(count - n - 1) / factorial(count) for n in range(count)])
    found = {}
    for bit, channel in enumerate(CHANNELS):
        without = coalitions[coalitions >> bit & 1 == 0]
        found[channel] = float((weight[size[without]] * (worth[without | 1 << bit] - worth[without])).sum())
    return found


def error(exact: dict[str, float], found: dict[str, float]) -> float:
    return float(max(abs(found.get(channel, 0.0) - value) / value for channel, value in exact.items()))


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


def ours(folder: Path, paths: int, exact: Exact) -> dict[str, object]:
    file = project(folder, paths, "hash(p, 'won') % 5 = 0")
    dbt("run", PATHS)
    started, counted = dbt("run", "attribution_conversions"), dbt("run", STEPS)
    idle = measured([sys.executable, "-c", IMPORT])
    markov = measured([sys.executable, "-c", SOLVE])
    with duckdb.connect(str(file), read_only=True) as engine:
        found = dict(
            engine.execute(
                "select channel_group, cast(share as double) * (select sum(conversions) from marts.attribution_credit"
                " where is_last) from attribution.markov where grain = 'channel'"
            ).fetchall()
        )
    answer = folder / "shapley.json"
    query = [sys.executable, "-c", SHAPLEY, str(file), str(compiled(folder)), str(answer)]
    shapley = min(measured(query).cpu_s for _ in range(3))
    shapley_idle = min(measured([sys.executable, "-c", SHAPLEY.split("engine =")[0]]).cpu_s for _ in range(3))
    told: dict[str, object] = {
        "markov_cpu_s_1m": round(counted.cpu_s - started.cpu_s + markov.cpu_s - idle.cpu_s, 2),
        "markov_with_start_cpu_s_1m": round(counted.cpu_s + markov.cpu_s, 2),
        "markov_peak_mb_1m": round(max(counted.peak_mb, markov.peak_mb)),
        "markov_max_rel_error": error(exact["markov"], found),
        "shapley_cpu_s_1m": round(shapley - shapley_idle, 2),
        "shapley_max_rel_error": error(exact["shapley"], json.loads(answer.read_text("utf-8"))),
    }
    print(f"ours: {told}", flush=True)
    return told


# The compiled model of credit, asked for Shapley's shares alone: DuckDB computes no other column of it.
SHAPLEY = (
    f"CHANNELS = {CHANNELS}"
    + """
import json, sys, duckdb
from pathlib import Path
engine = duckdb.connect(sys.argv[1], read_only=True)
engine.execute("set threads = 2")
credit = Path(sys.argv[2]).read_text()
earned = f"select origin_id, sum(credit_shapley) as conversions from ({credit}) as c group by origin_id"
found = engine.execute(earned).fetchall()
Path(sys.argv[3]).write_text(json.dumps({CHANNELS[origin - 1]: float(earned) for origin, earned in found}))
"""
)


def compiled(folder: Path) -> Path:
    models = folder / "dbt" / "duckdb" / "compiled" / "customer360" / "models"
    return models / "marts" / "attribution" / "attribution_credit.sql"


def everything(folder: Path, touches: int, *, all_convert: bool = False) -> dict[str, object]:
    """All nine models over so many touches: paths, credit, chain and sums by origin."""
    project(folder, touches * 10 // 45, "true" if all_convert else "hash(p, 'won') % 5 = 0")  # 4.5 touches a path
    starts = dbt("nothing", "").cpu_s
    spent = [dbt("run", f"{PATHS} {STEPS}"), measured([sys.executable, "-c", SOLVE]), dbt("run", SUMMARY)]
    with duckdb.connect(str(folder / "engine" / "customer360.duckdb"), read_only=True) as engine:
        counted = (
            "select (select count(*) from marts.attribution_touches), (select count(*) from marts.attribution_credit)"
        )
        rows, credited = engine.execute(counted).fetchone() or (0, 0)
    prefix = "all_models_all_convert_" if all_convert else "all_models_"
    told: dict[str, object] = {
        f"{prefix}cpu_s_10m": round(sum(cost.cpu_s for cost in spent) - 2 * starts, 1),
        f"{prefix}touches": rows,
        f"{prefix}credited_touches": credited,
        f"{prefix}peak_mb_10m": round(max(cost.peak_mb for cost in spent)),
    }
    print(f"all nine: {told}", flush=True)
    return told


def peer(folder: Path, prefix: str, exact: Exact) -> dict[str, object]:
    """What a package from PyPI did: CPU seconds, MB and error of each model, or null and why it did not."""
    packages, script = PEERS[prefix]
    told: dict[str, object] = {}
    python = ""
    for model in exact:
        measures = ("cpu_s_1m", "peak_mb_1m", "max_rel_error")
        told |= dict.fromkeys((f"{prefix}{model}_{measure}" for measure in measures), None)
        try:
            if (prefix, model) in LACKING:
                raise RuntimeError(LACKING[prefix, model])
            python = python or environment(folder / prefix, packages)
            found = _peer_ran(python, HERE / "attributors" / script, model, folder, exact[model])
            told |= dict(zip((f"{prefix}{model}_{measure}" for measure in measures), found, strict=True))
        except (subprocess.CalledProcessError, RuntimeError) as failed:
            told[f"{prefix}{model}_reason"] = str(failed).strip().splitlines()[-1][:300]
    print(f"{prefix[:-1]}: {told}", flush=True)
    return told


def _peer_ran(python: str, script: Path, model: str, folder: Path, exact: dict[str, float]) -> tuple[Any, ...]:
    """CPU seconds without those of the imports, peak MB, largest relative error."""
    answer = folder / "answer.json"
    imports = [line for line in script.read_text("utf-8").splitlines() if line.startswith(("import ", "from "))]
    idle = min(measured([python, "-c", "\n".join(imports)]).cpu_s for _ in range(2))  # the first one compiles
    cost = measured([python, str(script), model, str(folder / "paths.parquet"), str(answer)])
    found = json.loads(answer.read_text("utf-8"))
    return round(cost.cpu_s - idle, 2), round(cost.peak_mb), error(exact, found)


if __name__ == "__main__":
    load(project_root() / "dags" / "attribution.yml")
    main()
