"""Who is who among a made-up company's million events, and what it costs to find out: `make bench-identity-events`.

`identity_company` writes source files and the truth; connector `mapped` reads them, the nightly steps run, and the
`customer_identity_map` they leave is held against the truth: in each of the dialects at 200,000 events, then in `systems`
at a million, with a second night that brings the newest hundredth, and with `--sizes 1m,10m` at ten.

The last line is one JSON object: must_link, cannot_link, worst_cannot_link, pair_precision, b3_f1, largest_persons and so on
of each dialect (`systems_must_link`, …) and, for sizes, identify_cpu_s_1m, identify_peak_mb_1m, night_identify_cpu_s_1m,
night_over_full_1m, night_differing_rows_1m (rows of all marts that differ from everything built anew after the second
night), and identify_growth_1m_to_10m. CPU seconds are those of the step `identify` without the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import identity_company
from identity_company import DIALECTS, NIGHT
from identity_score import score
from measure import Cost, measured
from scale import START, STEP, differing_rows

from customer360 import nightly, postgres
from customer360.ops import migrate
from customer360.settings import Settings

SIZES = {"200k": (200_000, 1), "1m": (1_000_000, 1), "10m": (10_000_000, 10)}  # events, shards
STEPS = ("stage", "identify", "transform")
INGEST = """
import sys
from datetime import datetime
from customer360 import nightly
for name in nightly.source_names():
    as_of = datetime.fromisoformat(sys.argv[1])
    for delivery in nightly.discover(name, as_of):
        nightly.load(name, delivery, as_of)
    nightly.account(name, as_of)
"""
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialects", default=",".join(DIALECTS))
    parser.add_argument("--sizes", default="1m")
    chosen = parser.parse_args()
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as name:
        for dialect in filter(None, chosen.dialects.split(",")):
            found, _ = company(Path(name) / dialect, "200k", dialect)
            figures |= {f"{dialect}_{key}": value for key, value in found.items()}
        for size in filter(None, chosen.sizes.split(",")):
            found, costs = company(Path(name) / size, size, "systems", nights=2)
            figures |= {f"{key}_{size}": value for key, value in (found | costs).items()}
    if {"identify_cpu_s_1m", "identify_cpu_s_10m"} <= figures.keys():
        figures["identify_growth_1m_to_10m"] = round(figures["identify_cpu_s_10m"] / figures["identify_cpu_s_1m"], 2)
    print(json.dumps(figures))


def company(folder: Path, size: str, dialect: str, nights: int = 1) -> tuple[Figures, Figures]:
    """(how right the map is after the last night, what finding it cost); `folder` is removed."""
    events, shards = SIZES[size]
    identity_company.write(folder, events, dialect, shards=shards, is_split=nights > 1)
    os.environ |= {
        "C360_LOCAL": str(folder / "local"),
        "C360_LANDING": str(folder / "landing"),
        "C360_ENGINE": "duckdb",
    }
    os.environ |= {"C360_SOURCES": str(folder / "sources.yml"), "C360_FSYNC": "off", "C360_MEMORY_LIMIT": "2GB"}
    os.environ |= {"C360_LAKE": str(folder / "lake")}
    settings = Settings.from_env()
    costs: list[Cost] = []
    try:
        with postgres.connect(settings, application_name="bench") as connection:
            migrate(connection)
        costs.append(night(settings, NIGHT))
        if nights > 1:
            shutil.copytree(folder / "next", folder / "landing", dirs_exist_ok=True)
            costs.append(night(settings, NIGHT + timedelta(days=1)))
        found = judged(settings, folder)
        if nights > 1:
            found["night_differing_rows"] = differing_rows(settings, folder, NIGHT + timedelta(days=nights - 1))
    finally:
        postgres.drop(settings)
        shutil.rmtree(folder)
    start = measured([sys.executable, "-c", START, "0"]).cpu_s
    spent = [cost.cpu_s - start for cost in costs]
    figures = {"identify_cpu_s": round(spent[0], 1), "identify_peak_mb": round(costs[0].peak_mb)}
    if nights > 1:
        figures |= {"night_identify_cpu_s": round(spent[1], 1), "night_over_full": round(spent[1] / spent[0], 3)}
    print(f"{dialect}, {events:,} events: {found}\n   {figures}", flush=True)
    return found, figures


def night(settings: Settings, as_of: datetime) -> Cost:
    """One night as far as the marts; what its step `identify` cost."""
    measured([sys.executable, "-c", INGEST, as_of.isoformat()])
    state = settings.local / "night.json"
    state.write_text(json.dumps(nightly.begin(as_of, "bench")), "utf-8")
    costs = {step: measured([sys.executable, "-c", STEP, step, str(state)]) for step in STEPS}
    return costs["identify"]


def judged(settings: Settings, folder: Path) -> Figures:
    with duckdb.connect(str(settings.local / "engine/customer360.duckdb"), read_only=True) as engine:
        engine.execute(
            "create temp table mapped_record as"
            " select source_record_id as id, record_kind, customer_id from marts.customer_identity_map"
        )
        figures, slices = score(engine, folder)
    for name, (_, share, pairs) in slices.items():
        print(f"   {name:<32} {share:.3f} of {pairs:,}")
    return figures


if __name__ == "__main__":
    main()
