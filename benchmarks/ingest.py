"""1 M Twilio-like JSON records → lake, beside the same work in dlt: `make bench-ingest`.

Both read the same JSON lines and write Parquet, each in a process of its own; dlt in a throw-away
environment. Ours also normalises numbers, keys records, counts duplicates. The last line is one JSON
object: ours_cpu_s_1m_json, peer_cpu_s_1m_json, ours_peak_mb_1m_json, ….
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from measure import measured

OURS = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from customer360.connectors.registry import get
from customer360.files import Landing, delivery
from customer360.lake import LakeWriter
from customer360.sources import OwnIdentities, Source
folder, expected = sys.argv[1], int(sys.argv[2])
source = Source("calls", "twilio", "*.jsonl", ZoneInfo("UTC"), phone_region="US")
own = OwnIdentities(phones=frozenset({"+12025550100"}))
writer = LakeWriter(folder + "/lake", "calls", "bench", datetime(2026, 1, 1, tzinfo=UTC), [])
for batch in get("twilio").read(delivery(Landing(folder), "calls.jsonl"), source, own):
    writer.add(batch)
rows = writer.commit()
assert writer.rows_read == expected and rows["interaction"] == expected, (writer.rows_read, rows)
"""
PEER = """
import sys, os
folder, expected = sys.argv[1], int(sys.argv[2])
os.environ["DLT_DATA_DIR"] = folder + "/dlt"
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt, orjson
def records():
    with open(folder + "/calls.jsonl", "rb") as lines:
        for line in lines:
            yield orjson.loads(line)
pipeline = dlt.pipeline("bench", destination=dlt.destinations.filesystem(folder + "/peer"), dataset_name="calls",
                        pipelines_dir=folder + "/dlt")
pipeline.run(dlt.resource(records, name="calls"), loader_file_format="parquet")
counts = pipeline.last_trace.last_normalize_info.row_counts
assert counts["calls"] == expected, counts
"""


def generate(path: Path, rows: int, seed: int = 7) -> None:
    """Call resources as Twilio's API gives them, one a line; 100,000 different callers."""
    rng = random.Random(seed)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            at = start + timedelta(seconds=number * 17)
            stamp = format_datetime(at)
            caller = f"+1{rng.choice((212, 303, 415, 617, 702))}{2000000 + rng.randrange(20_000) * 397:07d}"
            inbound = rng.random() < 0.6
            ends = (caller, "+12025550100") if inbound else ("+12025550100", caller)
            record = {
                "account_sid": "AC" + "a" * 32, "annotation": None, "answered_by": None, "api_version": "2010-04-01",
                "caller_name": None, "date_created": stamp, "date_updated": stamp,
                "direction": "inbound" if inbound else "outbound-api", "duration": str(rng.randrange(600)),
                "end_time": stamp, "forwarded_from": None, "from": ends[0], "from_formatted": ends[0], "group_sid": None,
                "parent_call_sid": None, "phone_number_sid": "PN" + "b" * 32, "price": f"-{rng.randrange(900) / 1000:.3f}",
                "price_unit": "USD", "queue_time": "0", "sid": f"CA{number:032x}", "start_time": stamp,
                "status": rng.choice(("completed", "no-answer", "busy")), "to": ends[1], "to_formatted": ends[1],
                "trunk_sid": None, "uri": f"/2010-04-01/Accounts/AC/Calls/CA{number:032x}.json",
            }  # fmt: skip
            out.write(json.dumps(record) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="c360-bench-") as folder:
        generate(Path(folder) / "calls.jsonl", rows)
        size = (Path(folder) / "calls.jsonl").stat().st_size / 2**20
        print(f"{rows:,} records, {size:,.0f} MiB of JSON lines")
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        pip = [f"{folder}/venv/bin/python", "-m", "pip", "install", "--quiet", "dlt[parquet]", "orjson"]
        subprocess.run(pip, check=True)
        version = [f"{folder}/venv/bin/python", "-c", "from importlib.metadata import version; print(version('dlt'))"]
        peer_version = subprocess.run(version, check=True, capture_output=True, text=True).stdout.strip()
        ours = measured([sys.executable, "-c", OURS, folder, str(rows)])
        peer = measured([f"{folder}/venv/bin/python", "-c", PEER, folder, str(rows)])
    print(f"ours {ours.cpu_s:6.2f} CPU-s  {ours.peak_mb:6.0f} MB   dlt {peer.cpu_s:6.2f} CPU-s  {peer.peak_mb:6.0f} MB")
    figures = {
        "rows": rows,
        "ours_cpu_s_1m_json": round(ours.cpu_s, 2),
        "peer_cpu_s_1m_json": round(peer.cpu_s, 2),
        "ours_peak_mb_1m_json": round(ours.peak_mb),
        "peer_peak_mb_1m_json": round(peer.peak_mb),
        "peer_over_ours": round(peer.cpu_s / ours.cpu_s, 2),
        "peer": f"dlt {peer_version}",
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
