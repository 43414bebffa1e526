"""Deliveries when things go wrong: rivals, kills, files that change under us, folders, retention, other disks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_ingest import NIGHT, SOURCE, active_ids, calls, figures, load_all, put

from customer360 import deliveries, ingest, ledger, postgres
from customer360.connectors import registry
from customer360.connectors.base import Batch, Delivery
from customer360.deliveries import Superseded
from customer360.ledger import LedgerRow
from customer360.quality.gate import Failure, GateResult
from customer360.settings import Settings
from customer360.sources import OwnIdentities, Source, SourcesConfig

BOX = Source("maildir", "mail", "box", ZoneInfo("Europe/Berlin"))
PASS = GateResult(1)


def rows(settings: Settings) -> list[LedgerRow]:
    """The whole ledger, oldest first."""
    with postgres.connect(settings, application_name="test") as connection:
        return ledger.ledger_rows(connection)[::-1]


def lake_files(settings: Settings) -> list[str]:
    root = Path(settings.lake)
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def mail(number: int) -> bytes:
    return (
        f"From: a{number}@example.com\nTo: b@example.com\nDate: Sun, 01 Mar 2026 10:00:00 +0100\n"
        f"Message-ID: <{number}@example.com>\n\nhello\n"
    ).encode()


# Rivals -------------------------------------------------------------------------------------------


def test_two_names_of_one_content_loaded_at_once_are_one_batch(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    put(settings, "calls/b.csv", calls("c1", "c2"))
    first, second = ingest.discover(settings, SOURCE, NIGHT)

    def gate(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        ingest.load(settings, SOURCE, second, NIGHT)  # the other task overtakes this one
        return PASS

    assert figures(ingest.load(settings, SOURCE, first, NIGHT, gate=gate)) == ("duplicate", 2, 0, 0, 2)
    assert active_ids(settings) == ["c1", "c2"]
    assert not [name for name in lake_files(settings) if name.endswith(".tmp")]


def test_an_attempt_that_was_taken_over_writes_nothing(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    (reference,) = ingest.discover(settings, SOURCE, NIGHT)
    taken: list[LedgerRow] = []

    def gate(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        taken.append(ingest.load(settings, SOURCE, reference, NIGHT))
        return PASS

    with pytest.raises(Superseded):
        ingest.load(settings, SOURCE, reference, NIGHT, gate=gate)
    assert [(row.ledger_id, row.status, row.attempt) for row in rows(settings)] == [(taken[0].ledger_id, "loaded", 2)]
    assert active_ids(settings) == ["c1", "c2"]
    assert not [name for name in lake_files(settings) if name.endswith(".tmp")]


def test_newer_bytes_of_a_name_fence_the_attempt_at_the_older_ones(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1"))
    (old,) = ingest.discover(settings, SOURCE, NIGHT)

    def gate(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        put(settings, "calls/a.csv", calls("c2"), age_s=60)
        load_all(settings, 1)
        return PASS

    with pytest.raises(Superseded):
        ingest.load(settings, SOURCE, old, NIGHT, gate=gate)
    assert [(row.status, row.reason) for row in rows(settings)] == [("failed", "abandoned"), ("loaded", None)]
    assert active_ids(settings, 1) == ["c2"]


# The same again -----------------------------------------------------------------------------------


def test_a_task_tried_again_after_it_succeeded_changes_nothing(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1"))
    put(settings, "calls/b.csv", calls("c1"))
    references = ingest.discover(settings, SOURCE, NIGHT)
    before = [ingest.load(settings, SOURCE, each, NIGHT) for each in references]
    assert [ingest.load(settings, SOURCE, each, NIGHT) for each in references] == before
    assert rows(settings) == before


def test_a_touched_file_is_read_once_to_see_that_it_is_the_same(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1"))
    put(settings, "calls/b.csv", calls("c1"))
    load_all(settings)
    for name in ("a", "b"):
        put(settings, f"calls/{name}.csv", calls("c1"), age_s=100)
    assert [row.status for row in load_all(settings, 1)] == ["loaded", "duplicate"]
    assert len(rows(settings)) == 2
    assert ingest.discover(settings, SOURCE, NIGHT + timedelta(days=2)) == []


def test_new_bytes_of_the_same_size_and_time_are_seen(settings: Settings) -> None:
    target = put(settings, "calls/a.csv", calls("c1"))
    load_all(settings)
    kept = target.stat().st_mtime
    time.sleep(0.02)
    target.write_bytes(calls("c2"))
    os.utime(target, (kept, kept))
    load_all(settings, 1)
    assert active_ids(settings, 1) == ["c2"]


def test_content_that_comes_back_is_a_batch_of_its_own(settings: Settings) -> None:
    for night, content in enumerate((calls("c1"), calls("c2"), calls("c1"))):
        put(settings, "calls/a.csv", content, age_s=3600 - night)
        load_all(settings, night)
    assert [active_ids(settings, night) for night in range(3)] == [["c1"], ["c2"], ["c1"]]
    assert [row.status for row in rows(settings)] == ["replaced", "replaced", "loaded"]
    assert len({row.batch_id for row in rows(settings)}) == 3


def test_rows_a_newer_version_of_the_file_repeats_are_loaded_not_duplicates(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1", "c2"))
    load_all(settings)
    put(settings, "calls/a.csv", calls("c1", "c2", "c3"), age_s=1800)
    assert [figures(row) for row in load_all(settings, 1)] == [("loaded", 3, 3, 0, 0)]


def test_a_file_that_leaves_the_landing_area_stays_in_the_lake(settings: Settings) -> None:
    target = put(settings, "calls/a.csv", calls("c1"))
    load_all(settings)
    target.unlink()
    assert load_all(settings, 1) == []
    assert active_ids(settings, 1) == ["c1"]


# Files that change under us -----------------------------------------------------------------------


def test_a_file_changed_after_it_was_found_is_loaded_the_next_time(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1"))
    (reference,) = ingest.discover(settings, SOURCE, NIGHT)
    put(settings, "calls/a.csv", calls("c2"), age_s=100)
    row = ingest.load(settings, SOURCE, reference, NIGHT)
    assert (row.status, row.reason) == ("failed", "changed_while_read")
    assert [row.status for row in load_all(settings)] == ["loaded"]
    assert active_ids(settings) == ["c2"]


def test_a_file_removed_after_it_was_found_is_said(settings: Settings) -> None:
    target = put(settings, "calls/a.csv", calls("c1"))
    (reference,) = ingest.discover(settings, SOURCE, NIGHT)
    target.unlink()
    row = ingest.load(settings, SOURCE, reference, NIGHT)
    assert (row.status, row.reason) == ("failed", "file_gone")
    assert lake_files(settings) == []


def test_a_link_to_nowhere_is_said_and_the_rest_goes_on(settings: Settings) -> None:
    put(settings, "calls/b.csv", calls("c1"))
    link = Path(settings.landing) / "calls" / "a.csv"
    link.symlink_to(Path(settings.landing) / "missing")
    assert [row.path for row in load_all(settings)] == ["calls/b.csv"]
    assert [(row.path, row.status, row.reason) for row in rows(settings)] == [
        ("calls/a.csv", "failed", "file_gone"),
        ("calls/b.csv", "loaded", None),
    ]
    link.unlink()
    put(settings, "calls/a.csv", calls("c2"))
    load_all(settings)
    assert [(row.path, row.status) for row in rows(settings)] == [("calls/b.csv", "loaded"), ("calls/a.csv", "loaded")]


# A connector's own mistakes -----------------------------------------------------------------------


class _Broken:
    """A connector that fails after its first batch as `failure` says."""

    name: ClassVar[str] = "broken"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "broken"
    options: ClassVar[frozenset[str]] = frozenset()
    failure: ClassVar[Exception]

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        yield from registry.get("mapped").read(delivery, replace(source, connector="mapped"), own)
        raise self.failure


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setitem(registry._REGISTRY, "broken", _Broken)
    return replace(SOURCE, connector="broken")


def test_a_connectors_mistake_is_the_files_failure_and_quotes_nothing(settings: Settings, broken: Source) -> None:
    _Broken.failure = ValueError("invalid literal: '+49 30 23125 100'")
    put(settings, "calls/a.csv", calls("c1"))
    (row,) = load_all(settings, source=broken)
    assert (row.status, row.reason, row.rows_read) == ("failed", "connector_error", 0)
    assert str(row.detail).startswith("ValueError at test_ingest_deliveries.py:")
    assert "23125" not in str(row.detail)
    assert lake_files(settings) == []


def test_a_mistake_of_the_machine_is_raised_and_the_next_attempt_loads(settings: Settings, broken: Source) -> None:
    _Broken.failure = OSError(5, "Input/output error")
    put(settings, "calls/a.csv", calls("c1"))
    with pytest.raises(OSError, match="Input/output"):
        load_all(settings, source=broken)
    assert lake_files(settings) == []
    assert [row.status for row in load_all(settings)] == ["loaded"]
    assert active_ids(settings) == ["c1"]


# The raw gate -------------------------------------------------------------------------------------


def test_the_gate_sees_a_small_delivery_whole_and_a_large_one_by_sample(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def gate(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        seen.append(tables["interaction"].num_rows)
        return PASS

    monkeypatch.setattr(ingest, "GATE_ROWS", 100)
    put(settings, "calls/a.csv", calls(*(f"a{n}" for n in range(100))))
    put(settings, "calls/b.csv", calls(*(f"b{n}" for n in range(1000))))
    load_all(settings, gate=gate)
    assert seen[0] == 100
    assert 30 <= seen[1] <= 100


def test_warnings_of_the_gate_are_kept_in_the_ledger(settings: Settings) -> None:
    failure = Failure("raw/x", "interaction", "expect_something", "warning", observed="3", limit="2")
    put(settings, "calls/a.csv", calls("c1"))

    def gate(source: Source, tables: Mapping[str, pa.Table]) -> GateResult:
        return GateResult(1, (failure,))

    (row,) = load_all(settings, gate=gate)
    assert (row.status, row.reason, row.detail) == ("loaded", "warnings", str(failure))


# Folders ------------------------------------------------------------------------------------------


def test_a_reference_to_a_folder_is_small_and_may_be_loaded_twice(settings: Settings) -> None:
    for number in range(200):
        put(settings, f"box/new/{number}", mail(number))
    (reference,) = ingest.discover(settings, BOX, NIGHT)
    assert len(json.dumps(reference)) < 400
    before = ingest.load(settings, BOX, reference, NIGHT)
    assert figures(before) == ("loaded", 200, 200, 0, 0)
    assert ingest.load(settings, BOX, reference, NIGHT) == before
    assert rows(settings) == [before]


def test_a_mail_that_stands_there_twice_is_counted_as_a_duplicate(settings: Settings) -> None:
    put(settings, "box/new/1", mail(1))
    put(settings, "box/new/2", mail(1))
    assert [figures(row) for row in load_all(settings, source=BOX)] == [("loaded", 2, 1, 0, 1)]
    put(settings, "box/new/3", mail(1))
    assert [figures(row) for row in load_all(settings, 1, BOX)] == [("loaded", 1, 0, 0, 1)]
    assert load_all(settings, 2, BOX) == []


def test_a_mail_that_was_moved_is_remembered_by_its_new_name(settings: Settings) -> None:
    put(settings, "box/new/1", mail(1))
    load_all(settings, source=BOX)
    box = Path(settings.landing) / "box"
    (box / "cur").mkdir()
    (box / "new/1").rename(box / "cur/1:2,S")
    assert load_all(settings, 1, BOX) == []
    with postgres.connect(settings, application_name="test") as connection:
        assert list(deliveries.known_members(connection, "maildir", "box")) == ["box/cur/1:2,S"]
    put(settings, "box/new/1", mail(1))  # a second copy after all
    assert [figures(row) for row in load_all(settings, 2, BOX)] == [("loaded", 1, 0, 0, 1)]


def test_an_attempt_killed_before_more_mail_came_is_closed(settings: Settings) -> None:
    put(settings, "box/new/1", mail(1))
    (reference,) = ingest.discover(settings, BOX, NIGHT)
    with postgres.connect(settings, application_name="test") as connection:
        deliveries.start(connection, deliveries.Offer("maildir", "mail", **reference), NIGHT)  # and killed
    put(settings, "box/new/2", mail(2))
    assert [figures(row) for row in load_all(settings, source=BOX)] == [("loaded", 2, 2, 0, 0)]
    assert [(row.status, row.reason) for row in rows(settings)] == [("failed", "abandoned"), ("loaded", None)]


def test_an_empty_mail_is_refused_alone(settings: Settings) -> None:
    put(settings, "box/new/1", mail(1))
    put(settings, "box/new/2", b"")
    assert [figures(row) for row in load_all(settings, source=BOX)] == [("loaded", 2, 1, 1, 0)]


# Kills --------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from customer360 import deliveries, ingest, lake
from customer360.settings import Settings
from test_ingest import SOURCE, NIGHT

def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

owner, name, after = sys.argv[1:]
owner = {"writer": lake.LakeWriter, "deliveries": deliveries}[owner]
original = getattr(owner, name)
def then_die(*args, **more):
    original(*args, **more)
    die()
setattr(owner, name, then_die if after == "after" else die)
ingest.ingest_source(Settings.from_env(), SOURCE, NIGHT)
"""


@pytest.mark.parametrize(
    ("owner", "name", "moment"),
    [
        ("deliveries", "start", "after"),
        ("writer", "_write", "after"),
        ("writer", "finish", "before"),
        ("writer", "finish", "after"),
        ("deliveries", "claim", "after"),
        ("writer", "_rename", "after"),  # one of the files has its name, the others not
        ("writer", "commit", "after"),
        ("deliveries", "finish", "before"),
        ("deliveries", "finish", "after"),
    ],
)
def test_killed_at_any_step_then_tried_again_equals_a_clean_load(
    settings: Settings, owner: str, name: str, moment: str
) -> None:
    content = calls("c1", "c2", "c2") + b"c3,yesterday,x@example.com\n"
    put(settings, "calls/a.csv", content)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    process = subprocess.run([sys.executable, "-c", KILLED, owner, name, moment], env=environment)
    assert process.returncode == -signal.SIGKILL
    load_all(settings)
    (row,) = rows(settings)
    assert figures(row) == ("loaded", 4, 2, 1, 1)
    assert row.entity_rows == {"interaction": 3, "identifier": 3, "rejected": 1}
    batch = row.batch_id
    assert lake_files(settings) == [
        f"calls/{entity}/{batch}.parquet" for entity in ("identifier", "interaction", "rejected")
    ]
    clean = replace(settings, lake=f"{settings.lake}_clean")
    again = replace(SOURCE, name="clean")
    put(clean, "calls/a.csv", content)
    load_all(clean, source=again)
    assert _content(settings, "calls", str(batch)) == _content(clean, "clean", str(batch))


def _content(settings: Settings, source: str, batch_id: str) -> dict[str, list[dict[str, Any]]]:
    """Rows by entity, without what names the source."""
    found = {}
    for entity in ("interaction", "identifier", "rejected"):
        rows = pq.read_table(ledger.lake_path(settings.lake, source, entity, batch_id), partitioning=None).to_pylist()
        found[entity] = [{k: v for k, v in row.items() if k not in {"source", "record_key"}} for row in rows]
    return found


# Retention ----------------------------------------------------------------------------------------


def config_of(settings: Settings, source: Source) -> SourcesConfig:
    return SourcesConfig(settings.sources, ZoneInfo("Europe/Berlin"), OwnIdentities(), {source.name: source})


def test_old_batches_are_dropped_and_do_not_come_back(settings: Settings) -> None:
    source = replace(SOURCE, retention_days=10)
    put(settings, "calls/a.csv", calls("c1"))
    load_all(settings, 0, source)
    put(settings, "calls/b.csv", calls("c2"))
    load_all(settings, 5, source)
    config = config_of(settings, source)
    assert ingest.expire(settings, config, NIGHT + timedelta(days=10))["batches"] == 0
    done = ingest.expire(settings, config, NIGHT + timedelta(days=11))
    assert (done["batches"], done["files"]) == (1, 2)
    assert [row.status for row in rows(settings)] == ["expired", "loaded"]
    assert active_ids(settings, 11) == ["c2"]
    assert active_ids(settings, 5) == ["c2"]  # gone is gone, for past nights too
    put(settings, "calls/a.csv", calls("c1"), age_s=10)  # touched
    assert [row.status for row in load_all(settings, 12, source)] == ["expired"]
    assert load_all(settings, 13, source) == []
    assert active_ids(settings, 13) == ["c2"]


def test_content_another_name_still_delivers_outlives_its_first_batch(settings: Settings) -> None:
    source = replace(SOURCE, retention_days=10)
    put(settings, "calls/a.csv", calls("c1"))
    put(settings, "calls/b.csv", calls("c1"))
    load_all(settings, 0, source)
    put(settings, "calls/a.csv", calls("c2"), age_s=1800)
    load_all(settings, 8, source)  # b.csv takes over c1
    done = ingest.expire(settings, config_of(settings, source), NIGHT + timedelta(days=12))
    assert (done["batches"], done["files"]) == (1, 0)
    assert active_ids(settings, 12) == ["c1", "c2"]


def test_files_that_a_killed_maintenance_left_are_removed_by_the_next(settings: Settings) -> None:
    source = replace(SOURCE, retention_days=10)
    put(settings, "calls/a.csv", calls("c1"))
    (row,) = load_all(settings, 0, source)
    with postgres.connect(settings, application_name="test") as connection:
        ledger.mark_expired(connection, [row.ledger_id], NIGHT + timedelta(days=11))  # and killed
    assert len(lake_files(settings)) == 2
    done = ingest.expire(settings, config_of(settings, source), NIGHT + timedelta(days=12))
    assert (done["batches"], done["files"]) == (0, 2)
    assert lake_files(settings) == []


def test_mail_that_was_dropped_does_not_come_back_and_new_mail_stays(settings: Settings) -> None:
    source = replace(BOX, retention_days=10)
    put(settings, "box/new/1", mail(1))
    load_all(settings, 0, source)
    put(settings, "box/new/2", mail(2))
    load_all(settings, 8, source)
    done = ingest.expire(settings, config_of(settings, source), NIGHT + timedelta(days=11))
    assert done["batches"] == 1
    assert [row.status for row in rows(settings)] == ["expired", "loaded"]
    assert active_ids(settings, 11) == ["2@example.com"]
    assert load_all(settings, 12, source) == []


def test_a_source_that_left_the_configuration_keeps_its_batches(settings: Settings) -> None:
    put(settings, "calls/a.csv", calls("c1"))
    load_all(settings)
    other = replace(SOURCE, name="other", retention_days=1)
    assert ingest.expire(settings, config_of(settings, other), NIGHT + timedelta(days=99))["batches"] == 0
    assert active_ids(settings, 99) == ["c1"]


# Other disks --------------------------------------------------------------------------------------


def test_landing_and_lake_may_be_urls(settings: Settings) -> None:
    mark = uuid.uuid4().hex
    remote = replace(settings, landing=f"memory://landing-{mark}", lake=f"memory://lake-{mark}")
    landing = ingest.Landing(remote.landing)
    landing.filesystem.pipe_file(landing.full("calls/a.csv"), calls("c1", "c2"))
    landing.filesystem.pipe_file(landing.full("calls/b.csv"), calls("c2", "c3"))
    assert [figures(row) for row in load_all(remote)] == [("loaded", 2, 2, 0, 0), ("loaded", 2, 1, 0, 1)]
    assert load_all(remote, 1) == []
    with postgres.connect(remote, application_name="test") as connection:
        files = ledger.active_files(connection, remote, NIGHT)
    ids = []
    for file in files:
        assert file.path.startswith(f"memory://lake-{mark}/")
        if file.entity == "interaction":
            with landing.filesystem.open(landing.filesystem._strip_protocol(file.path), "rb") as stream:
                ids += pq.ParquetFile(stream).read().column("source_record_id").to_pylist()
    assert sorted(ids) == ["c1", "c2", "c2", "c3"]


# Real files ---------------------------------------------------------------------------------------

REAL = [
    ("twilio", "phone/twilio_call_data.csv", {}),
    ("twilio", "phone/twilio_calls_api_example.json", {}),
    ("twilio", "sms/twilio_message_data.csv", {}),
    ("access_log", "web/apache_combined_10k.log", {}),
    ("snowplow", "web/snowplow_web_events.csv", {}),
    ("segment", "web/segment_pages.csv", {}),
    ("salesforce", "crm/salesforce_contact_data.csv", {}),
    ("salesforce", "crm/salesforce_opportunity_history_data.csv", {}),
    ("hubspot", "crm/hubspot_contact_data.csv", {}),
    ("hubspot", "crm/hubspot_deal_data.csv", {}),
    ("ad_spend", "media/google_ads_campaign_stats_data.csv", {}),
    ("ad_spend", "media/facebook_ads_basic_ad_data.csv", {}),
]


@pytest.mark.parametrize(("connector", "path", "more"), REAL, ids=[path for _, path, _ in REAL])
def test_every_row_of_a_real_file_is_accounted_for(
    settings: Settings, samples: Path, connector: str, path: str, more: dict[str, Any]
) -> None:
    local = replace(settings, landing=str(samples))
    source = Source("real", connector, path, ZoneInfo("Europe/Berlin"), phone_region="US", **more)
    (row,) = load_all(local, source=source)
    assert row.status == "loaded"
    assert row.rows_read == row.rows_loaded + row.rows_rejected + row.rows_duplicate
    assert row.rows_loaded > 0
    for entity, count in row.entity_rows.items():
        lake_file = ledger.lake_path(local.lake, "real", entity, str(row.batch_id))
        assert pq.ParquetFile(lake_file).metadata.num_rows == count
    assert load_all(local, 1, source) == []
