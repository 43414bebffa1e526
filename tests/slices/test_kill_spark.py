"""Kill -9 of a night on Spark, in every step and in the middle of a write: what the next tries serve is what building
everything gives on a healthy engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from customer360 import nightly, postgres
from customer360.settings import Settings
from projects import export
from slices.company import Company
from slices.test_slices import FIRST, SOURCES, build, differing, marts, serve

pytestmark = [pytest.mark.spark, pytest.mark.timeout(2400)]

PATIENCE_S = 600
STEP = """
import json, sys
from customer360 import nightly
step, path = sys.argv[1:]
with open(path) as stream:
    night = getattr(nightly, step)(json.load(stream))
with open(path, "w") as stream:
    json.dump(night, stream)
"""


class Tried:
    """The steps of a night, each a process of its own as a task is; what one leaves is in `state`."""

    def __init__(self, settings: Settings, state: Path, night: nightly.Night) -> None:
        self.tables = settings.local / "engine" / "spark" / "tables"
        self.state = state
        state.write_text(json.dumps(night), "utf-8")

    def run(self, step: str) -> nightly.Night:
        subprocess.run(self._command(step), check=True)
        found: nightly.Night = json.loads(self.state.read_text("utf-8"))
        return found

    def kill(self, step: str, schema: str, tables: int, *, with_dbt: bool = True) -> None:
        """As soon as the step has put anew so many tables of the schema; with its dbt, or dbt is left alone."""
        before = self.state.read_text("utf-8")
        began = time.time()
        process = subprocess.Popen(self._command(step), start_new_session=True)
        while self._written(schema, began) < tables:
            assert process.poll() is None, "it ended before it was killed"
            assert time.time() < began + PATIENCE_S
            time.sleep(0.02)
        if with_dbt:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        assert process.wait() == -signal.SIGKILL
        assert self.state.read_text("utf-8") == before

    def _command(self, step: str) -> list[str]:
        return [sys.executable, "-c", STEP, step, str(self.state)]

    def _written(self, schema: str, since: float) -> int:
        """Tables of the schema with a version younger than `since`; unfinished files do not count."""
        versions = (self.tables / schema).glob("*/metadata/v*.metadata.json")
        return len({path.parent.parent.name for path in versions if path.stat().st_mtime > since})


def test_a_night_on_spark_killed_anywhere_is_finished_by_the_next_tries(
    settings: Settings,
    whole: Settings,
    spark_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first night builds everything: killed while staging, while it says who is who, and while dbt, which is left
    alone, builds marts. The second builds a slice: killed while it says who is who, and while it takes its place."""
    settings = replace(settings, engine="spark", engine_url=spark_settings.engine_url)
    settings.sources.write_text(SOURCES, "utf-8")
    company = Company(Path(settings.lake), 4)
    kills = (
        {"stage": ("staging", 3, True), "identify": ("identity", 2, True), "transform": ("intermediate", 4, False)},
        {"identify": ("night_identity", 3, True), "transform": ("marts", 2, True)},
    )
    for number, moments in enumerate(kills):
        as_of = FIRST + timedelta(days=number)
        _use(settings, monkeypatch)
        with postgres.connect(settings, application_name="test") as connection:
            company.night(connection, as_of, 12 if number else 80)
        tried = Tried(settings, tmp_path / "night.json", nightly.begin(as_of, "test"))
        for step in ("stage", "identify", "transform"):
            if step in moments:
                schema, tables, with_dbt = moments[step]
                tried.kill(step, schema, tables, with_dbt=with_dbt)
            night = tried.run(step)
        assert night["is_slice"] == bool(number)
        serve(settings, night)
        found = marts(settings)
        assert found["customer_360"], "nothing was built"
        assert not differing(found, marts(settings, "serving"))
        _use(whole, monkeypatch)
        build(as_of)
        assert not differing(found, marts(whole))


def _use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    export(settings, monkeypatch)
    monkeypatch.setenv("C360_ENGINE_URL", settings.engine_url or "")
