"""Landing to lake on real files: every row accounted for, nothing loaded twice, nothing lost."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from customer360 import ingest, ledger, postgres
from customer360.ledger import LedgerRow
from customer360.quality.gate import Failure, GateResult
from customer360.settings import Settings
from customer360.sources import OwnIdentities, Source

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
MAPPING = {
    "record_id": "id",
    "interaction": {"channel": {"value": "phone"}, "occurred_at": "at"},
    "identifiers": [{"type": "email", "column": "mail"}],
}
SOURCE = Source("calls", "mapped", "calls/*", ZoneInfo("Europe/Berlin"), mapping=MAPPING)


def put(settings: Settings, path: str, content: bytes, age_s: float = 3600) -> Path:
    """Write a delivered file, last touched `age_s` ago."""
    target = Path(settings.landing) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    moment = time.time() - age_s
    os.utime(target, (moment, moment))
    return target


def calls(*ids: str, at: str = "2026-03-01 10:00:00") -> bytes:
    return "\n".join(["id,at,mail", *(f"{each},{at},{each}@example.com" for each in ids)]).encode() + b"\n"


def load_all(
    settings: Settings, night: int = 0, source: Source = SOURCE, gate: ingest.Gate | None = None
) -> list[LedgerRow]:
    return ingest.ingest_source(settings, source, NIGHT + timedelta(days=night), OwnIdentities(), gate)


def active_ids(settings: Settings, night: int = 0) -> list[str]:
    """Record ids of interactions in batches active at a night."""
    with postgres.connect(settings, application_name="test") as connection:
        files = ledger.active_files(connection, settings, NIGHT + timedelta(days=night))
    tables = [pq.read_table(file.path, partitioning=None) for file in files if file.entity == "interaction"]
    return sorted(text for each in tables for text in each.column("source_record_id").to_pylist())


def figures(row: LedgerRow) -> tuple[str, int, int, int, int]:
    return row.status, row.rows_read, row.rows_loaded, row.rows_rejected, row.rows_duplicate


def test_rows_read_are_loaded_rejected_or_duplicate(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2", "c2") + b"c3,yesterday,x@example.com\n,2026-03-01 10:00:00,\n")
    (row,) = load_all(settings)
    assert figures(row) == ("loaded", 5, 2, 2, 1)
    rejected = pq.read_table(ledger.lake_path(settings.lake, "calls", "rejected", str(row.batch_id)), partitioning=None)
    assert [(r["line"], r["reason"], r["detail"]) for r in rejected.to_pylist()] == [
        (5, "bad_value", "at"),
        (6, "missing_id", "id"),
    ]
    assert b"yesterday" in rejected.column("raw")[0].as_py()


def test_the_same_file_adds_nothing_under_its_own_or_another_name(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    assert [figures(row)[0] for row in load_all(settings)] == ["loaded"]
    assert load_all(settings, 1) == []
    put(settings, "calls/b.csv", calls("c1", "c2"))
    assert [figures(row) for row in load_all(settings, 1)] == [("duplicate", 2, 0, 0, 2)]
    assert active_ids(settings, 1) == ["c1", "c2"]


def test_the_same_name_with_new_bytes_replaces_its_rows_from_that_night_on(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    load_all(settings)
    put(settings, "calls/a.csv", calls("c1", "c9"), age_s=1800)
    (row,) = load_all(settings, 1)
    assert row.status == "loaded"
    assert active_ids(settings, 0) == ["c1", "c2"]
    assert active_ids(settings, 1) == ["c1", "c9"]


def test_content_another_name_still_delivers_is_not_lost_when_the_first_is_replaced(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    put(settings, "calls/b.csv", calls("c1", "c2"))
    load_all(settings)
    put(settings, "calls/a.csv", calls("c7"), age_s=1800)
    load_all(settings, 1)
    assert active_ids(settings, 1) == ["c1", "c2", "c7"]
    put(settings, "calls/b.csv", calls("c8"), age_s=1700)
    load_all(settings, 2)
    assert active_ids(settings, 2) == ["c7", "c8"]
    assert active_ids(settings, 1) == ["c1", "c2", "c7"]


def test_rows_redelivered_in_another_file_are_counted_and_survive_its_replacement(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    put(settings, "calls/b.csv", calls("c2", "c3"))
    assert sorted(figures(row) for row in load_all(settings)) == [("loaded", 2, 1, 0, 1), ("loaded", 2, 2, 0, 0)]
    put(settings, "calls/a.csv", calls("c1"), age_s=1800)
    load_all(settings, 1)
    assert set(active_ids(settings, 1)) == {"c1", "c2", "c3"}


@pytest.mark.parametrize(
    ("name", "content", "encoding", "reason"),
    [
        ("empty.csv", b"", "auto", "empty_file"),
        ("cut.csv.gz", gzip.compress(calls(*(f"c{n}" for n in range(3000))))[:-400], "auto", "truncated_archive"),
        ("wrong.csv", "id,at,mail\nä,2026-03-01 10:00:00,\n".encode("latin-1"), "utf-8", "wrong_encoding"),
        ("columns.csv", b"id,when,mail\nc1,2026-03-01 10:00:00,\n", "auto", "missing_column"),
        ("broken.parquet", b"PAR1 and then nothing", "auto", "bad_parquet"),
        ("broken.xlsx", b"PK\x03\x04 and then nothing", "auto", "bad_xlsx"),
    ],
)
def test_an_unreadable_file_is_said_and_the_rest_goes_on(
    settings: Settings, name: str, content: bytes, encoding: str, reason: str
) -> None:
    source = Source("calls", "mapped", "calls/*", ZoneInfo("Europe/Berlin"), encoding=encoding, mapping=MAPPING)
    put(settings, f"calls/{name}", content)
    put(settings, "calls/zz_good.csv", calls("c1"))
    bad, good = load_all(settings, source=source)
    assert (bad.status, bad.reason, good.status) == ("failed", reason, "loaded")
    assert active_ids(settings) == ["c1"]


def test_a_failed_file_is_tried_again_and_its_repair_loads(settings: Settings) -> None:
    whole = gzip.compress(calls("c1", "c2"))
    put(settings, "calls/a.csv.gz", whole[:20])
    assert [row.status for row in load_all(settings)] == ["failed"]
    put(settings, "calls/a.csv.gz", whole, age_s=1800)
    assert [row.status for row in load_all(settings, 1)] == ["loaded"]


def test_nul_bytes_are_cleaned_and_counted(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2").replace(b"c2@", b"c\x002@"))
    (row,) = load_all(settings)
    assert row.rows_loaded + row.rows_rejected == 2
    assert row.rows_cleaned + row.rows_rejected >= 1


def test_a_file_still_being_written_waits(settings: Settings) -> None:
    target = put(settings, "calls/a.csv", calls("c1"), age_s=0)
    put(settings, "calls/.b.csv.part", calls("c2"))
    script = (
        "import sys, time\n"
        "with open(sys.argv[1], 'ab') as f:\n"
        "    print('writing', flush=True)\n"
        "    while True:\n"
        "        f.write(b'c5,2026-03-01 10:00:00,x@example.com\\n'); f.flush(); time.sleep(0.02)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        assert load_all(settings) == []
    finally:
        writer.kill()
        writer.wait()
    with postgres.connect(settings, application_name="test") as connection:
        assert [row.status for row in ledger.ledger_rows(connection)] == ["waiting"]
    moment = time.time() - 3600
    os.utime(target, (moment, moment))
    assert [row.status for row in load_all(settings, 1)] == ["loaded"]


def test_the_raw_gate_rejects_a_file_or_stops_the_night(settings: Settings) -> None:
    def gate(source: Source, tables: object) -> GateResult:
        return GateResult(
            1, (Failure("raw/x", "interaction", "expect_something", "critical", observed="1", limit="0"),)
        )

    put(settings, "calls/a.csv", calls("c1", "c2"))
    (row,) = load_all(settings, gate=gate)
    assert figures(row) == ("rejected", 2, 0, 2, 0)
    assert row.detail is not None
    assert "expect_something on interaction" in row.detail
    assert active_ids(settings) == []
    strict = Source("calls", "mapped", "calls/*", ZoneInfo("Europe/Berlin"), on_failure="stop", mapping=MAPPING)
    with pytest.raises(ingest.GateStopped, match="expect_something"):
        load_all(settings, 1, strict, gate)
    assert [row.status for row in load_all(settings, 2)] == ["loaded"]


def test_a_folder_of_messages_is_one_batch_of_its_new_members(settings: Settings) -> None:
    source = Source("maildir", "mail", "box", ZoneInfo("Europe/Berlin"))

    def mail(number: int) -> bytes:
        return (
            f"From: a{number}@example.com\nTo: b@example.com\nDate: Sun, 01 Mar 2026 10:00:00 +0100\n"
            f"Message-ID: <{number}@example.com>\n\nhello\n"
        ).encode()

    for number in range(3):
        put(settings, f"box/cur/{number}:2,", mail(number))
    put(settings, "box/tmp/9", mail(9))
    (row,) = load_all(settings, source=source)
    assert figures(row) == ("loaded", 3, 3, 0, 0)
    (Path(settings.landing) / "box/cur/1:2,").rename(Path(settings.landing) / "box/cur/1:2,S")
    put(settings, "box/new/4", mail(4))
    (row,) = load_all(settings, 1, source)
    assert figures(row) == ("loaded", 1, 1, 0, 0)
    assert load_all(settings, 2, source) == []


WORKER = """
from datetime import UTC, datetime
from customer360 import ingest
from customer360.settings import Settings
from test_ingest import SOURCE, NIGHT
settings = Settings.from_env()
print("begun", flush=True)
ingest.ingest_source(settings, SOURCE, NIGHT)
print("done", flush=True)
"""


def test_killed_while_loading_then_retried_equals_a_clean_load(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls(*(f"c{n:06d}" for n in range(120_000))))
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    killed = 0
    for delay in (0.05, 0.2, 0.4, 0.6, 0.8):
        process = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        killed += "done" not in rest
    assert killed >= 2
    subprocess.run([sys.executable, "-c", WORKER], check=True, env=environment)
    assert active_ids(settings) == [f"c{n:06d}" for n in range(120_000)]
    with postgres.connect(settings, application_name="test") as connection:
        (row,) = ledger.ledger_rows(connection)
    assert figures(row) == ("loaded", 120_000, 120_000, 0, 0)
