"""A full build at 100k and 1 M interactions on each engine: `make bench-nightly`.

CPU seconds with children and peak memory per stage, as `ops.run_metrics` recorded them, on a generated
company whose lake is written directly, one customer per ten interactions. The last line is one JSON object with
keys generate_s_<size>, full_cpu_s_<engine>_<size>, …. `--engines none` only writes the lake.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from measure import measured

from customer360.demo import scale
from customer360.settings import Settings

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
RUN = """
from datetime import datetime
from customer360 import nightly
import sys
for step, _ in nightly.run_night(datetime.fromisoformat(sys.argv[1]), trigger="bench"):
    pass
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100k,1m")
    parser.add_argument("--engines", default="duckdb,postgres")
    chosen = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as folder:
        for size in chosen.sizes.split(","):
            lake, figures[f"generate_s_{size}"] = generated(Path(folder) / f"lake-{size}", size)
            for engine in chosen.engines.split(","):
                if engine != "none":
                    figures |= one(Path(folder) / f"{size}-{engine}", size, lake, engine)
    print(json.dumps(figures))


def generated(path: Path, size: str) -> tuple[scale.ScaleLake, float]:
    """The lake of a size, and the seconds it took to write."""
    started = time.monotonic()
    lake = scale.write_lake(path, SIZES[size], SIZES[size] // 10)
    seconds = round(time.monotonic() - started, 1)
    print(f"lake {size}: {lake.interactions:,} interactions of {lake.customers:,} customers written in {seconds} s")
    return lake, seconds


def one(local: Path, size: str, lake: scale.ScaleLake, engine: str) -> dict[str, float]:
    """One full build in a project of its own."""
    from customer360 import postgres
    from customer360.ops import migrate
    from customer360.publish.runs import run_metrics

    local.mkdir(parents=True)
    environment = {"C360_LOCAL": str(local), "C360_LAKE": str(lake.path), "C360_ENGINE": engine, "C360_FSYNC": "off"}
    for name in ("C360_LANDING", "C360_SOURCES", "C360_SERVING_URL"):
        os.environ.pop(name, None)
    os.environ.update(environment)
    settings = Settings.from_env()
    try:
        with postgres.connect(settings, application_name="bench") as connection:
            migrate(connection)
            scale.account(connection, lake.files, lake.as_of)
        before = server_cpu_s(settings)
        cost = measured([sys.executable, "-c", RUN, lake.as_of.isoformat()], environment)
        server = server_cpu_s(settings) - before
        with postgres.connect(settings, application_name="bench") as connection:
            steps = run_metrics(connection, 1)
    finally:
        postgres.drop(settings)
    total = cost.cpu_s + server
    print(f"{engine} {size}: {total:.1f} CPU-s, of these {server:.1f} in PostgreSQL; peak {cost.peak_mb:.0f} MB")
    for step in steps:
        print(f"   {step.stage:<10} {step.seconds:7.1f} s  {step.cpu_s:7.1f} CPU-s  {step.peak_mb:6.0f} MB")
    found = {f"full_cpu_s_{engine}_{size}": round(total, 1), f"full_peak_mb_{engine}_{size}": round(cost.peak_mb)}
    found[f"full_wall_s_{engine}_{size}"] = round(cost.wall_s, 1)
    return found | {f"{step.stage}_cpu_s_{engine}_{size}": round(step.cpu_s, 1) for step in steps}


def server_cpu_s(settings: Settings) -> float:
    """CPU seconds of the private server so far: its main process, and all backends that have ended."""
    from customer360 import postgres

    data = Path(postgres.start(settings).data)
    pid = (data / "postmaster.pid").read_text("utf-8").splitlines()[0]
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
