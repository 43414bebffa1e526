"""A past night tells again what it told: a backfill in order, and the same nights again in any order."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from customer360 import postgres
from customer360.settings import Settings
from slices.company import Company
from slices.test_slices import FIRST, SOURCES, Rows, build, differing, marts, serve

ASKED = [str(Path(sys.executable).with_name("c360")), "run", "--skip-ingest", "--approve", "--as-of"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("nights", [4, pytest.param(30, marks=pytest.mark.long)])
def test_a_backfill_gives_the_same_tables_in_order_and_shuffled(nights: int, settings: Settings) -> None:
    settings.sources.write_text(SOURCES, "utf-8")
    company = Company(Path(settings.lake), seed=7)
    published: list[dict[str, Rows]] = []
    for number in range(nights):
        with postgres.connect(settings, application_name="test") as connection:
            company.night(connection, FIRST + timedelta(days=number), 120 if number == 0 else 8)
        serve(settings, build(FIRST + timedelta(days=number)))
        published.append(marts(settings, "serving"))
    assert all(differing(one, other) for one, other in pairwise(published)), "nothing happened"

    again = random.Random(nights).sample(range(nights), nights)
    told = {}
    for number in again[1:]:
        serve(settings, build(FIRST + timedelta(days=number)))
        told[number] = differing(marts(settings, "serving"), published[number])
    as_of = FIRST + timedelta(days=again[0])
    done = subprocess.run([*ASKED, f"{as_of:%Y-%m-%dT%H:%M:%S}+00:00"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told[again[0]] = differing(marts(settings, "serving"), published[again[0]])
    assert not {number: counts for number, counts in told.items() if counts}
