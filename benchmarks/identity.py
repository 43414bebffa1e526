"""Four public data sets linked by ours, Splink 5 and GoldenMatch: `make bench-identity`.

FEBRL3 and 4, 50,000 records of historical figures, 1,000 of made-up people. Every run is a process of its own,
peers in throw-away environments, and sees no label. Splink takes the settings of its own documentation, at the
documented threshold and at 0.5, of which the better counts; GoldenMatch configures itself. Ours is one
configuration by data type: without vetoes, which the peers do not have, and as `vetoed_` with them, as it runs by default.

The last line is one JSON object with febrl4_pair_f1, febrl3_pair_f1, febrl3_b3_f1, hist50k_pair_f1, hist50k_b3_f1,
hist50k_largest_cluster, hist50k_cpu_s, hist50k_peak_mb, fake1000_pair_f1, each again with splink_, goldenmatch_
and vetoed_ before it. Pairs of FEBRL4 are those across the two tables; of the others, all within clusters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from identity_data import SETS, Score, Truth, write
from measure import Cost, measured

HERE = Path(__file__).parent
PROJECT = HERE.parent
SAMPLES = Path(os.environ.get("C360_SAMPLES") or PROJECT.parent / "shared" / "data") / "identity"
PEERS = {
    "splink_": (["splink==5.0.0", "duckdb==2.0.0", "pyarrow"], "splink_demos.py", [["documented"], ["0.5"]]),
    "goldenmatch_": (["goldenmatch==3.22.0", "pyarrow"], "goldenmatch_auto.py", [[]]),
}


def main() -> None:
    if not SAMPLES.is_dir():
        sys.exit(f"no data sets at {SAMPLES}; set C360_SAMPLES to the folder that holds identity/")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as name:
        folder = Path(name)
        truths = {each: write(each, SAMPLES, folder / f"{each}.parquet") for each in SETS}
        for prefix, options in (("", []), ("vetoed_", ["vetoes"])):
            figures |= run(prefix, [sys.executable, str(HERE / "linkers" / "ours.py")], [options], folder, truths)
        for prefix, (packages, script, choices) in PEERS.items():
            python = environment(folder / prefix, packages)
            figures |= run(prefix, [python, str(HERE / "linkers" / script)], choices, folder, truths)
    print(json.dumps(figures))


def environment(path: Path, packages: list[str]) -> str:
    """Python of a new environment with `packages`."""
    uv = str(PROJECT / ".local" / "uv" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(path)], check=True)
    python = str(path / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    return python


def run(
    prefix: str, command: list[str], choices: list[list[str]], folder: Path, truths: dict[str, Truth]
) -> dict[str, float]:
    """Figures of one linker on every set; of several choices of options the one with the better pair F1."""
    figures: dict[str, float] = {}
    for name, truth in truths.items():
        best: tuple[Score, Cost] | None = None
        for options in choices:
            found = folder / "clusters.parquet"
            cost = measured([*command, name, str(folder / f"{name}.parquet"), str(found), *options])
            score = truth.score(pq.read_table(found))
            print(
                f"{prefix or 'ours_'}{name} {' '.join(options)}: {score}  {cost.cpu_s:.1f} CPU-s {cost.peak_mb:.0f} MB",
                flush=True,
            )
            if best is None or score.pair_f1 > best[0].pair_f1:
                best = (score, cost)
        if best is not None:
            figures |= {f"{prefix}{name}_{key}": value for key, value in named(name, *best).items()}
    return figures


def named(name: str, score: Score, cost: Cost) -> dict[str, float]:
    """The figures that are asked of a set."""
    found = {"pair_f1": round(score.pair_f1, 4)}
    if name in ("febrl3", "hist50k"):
        found["b3_f1"] = round(score.b3_f1, 4)
    if name == "hist50k":
        found |= {
            "largest_cluster": score.largest,
            "cpu_s": round(cost.cpu_s, 1),
            "peak_mb": round(cost.peak_mb),
        }
    return found


if __name__ == "__main__":
    main()
