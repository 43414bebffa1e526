"""Who is who in a made-up company whose contacts have known authors, by the real steps of the night."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import identity_company
import pytest
from identity_company import NIGHT
from identity_score import score

from customer360 import nightly
from customer360.settings import Settings
from projects import export

Mapped = dict[tuple[str, str], int]


def night(as_of: datetime) -> bool:
    """One night as far as the marts; whether it was a slice."""
    for name in nightly.source_names():
        for delivery in nightly.discover(name, as_of):
            nightly.load(name, delivery, as_of)
        nightly.account(name, as_of)
    return steps(as_of)


def steps(as_of: datetime) -> bool:
    state = nightly.begin(as_of, "test")
    for step in (nightly.stage, nightly.identify, nightly.transform):
        state = step(state)
    return bool(state["is_slice"])


def mapped(settings: Settings) -> Mapped:
    with duckdb.connect(str(settings.local / "engine/customer360.duckdb"), read_only=True) as engine:
        rows = engine.sql(
            "select record_kind, source_record_id, customer_id from marts.customer_identity_map"
        ).fetchall()
    return {(kind, record): customer for kind, record, customer in rows}


def judged(settings: Settings, folder: Path) -> dict[str, float]:
    with duckdb.connect() as engine:
        engine.execute("create table mapped_record (id varchar, record_kind varchar, customer_id bigint)")
        rows = [(record, kind, customer) for (kind, record), customer in mapped(settings).items()]
        engine.executemany("insert into mapped_record values (?, ?, ?)", rows)
        figures, _ = score(engine, folder)
    return figures


@pytest.mark.parametrize("dialect", ["systems", "hints", "facts"])
def test_customers_are_the_people_whatever_glues_them(dialect: str, settings: Settings, tmp_path: Path) -> None:
    identity_company.write(tmp_path, 12_000, dialect)
    night(NIGHT)
    found = judged(settings, tmp_path)
    assert found["must_link"] >= 0.97
    assert found["cannot_link"] >= 0.985
    assert found["pair_precision"] >= 0.97
    assert found["b3_f1"] >= 0.94


def test_a_second_night_finds_what_everything_built_anew_finds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity_company.write(tmp_path, 12_000, "systems", seed=3, is_split=True)
    assert not night(NIGHT)
    shutil.copytree(tmp_path / "next", tmp_path / "landing", dirs_exist_ok=True)
    assert night(NIGHT + timedelta(days=1))
    by_slice = mapped(settings)
    anew = replace(settings, local=tmp_path / "anew")
    export(anew, monkeypatch)
    assert not steps(NIGHT + timedelta(days=1))
    assert mapped(anew) == by_slice
