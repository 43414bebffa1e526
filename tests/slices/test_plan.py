"""When a night may go on from what the engine holds, and when it has to build everything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer360 import postgres
from customer360.contracts import lake_schema
from customer360.engines import LakeFile, open_engine
from customer360.settings import Settings
from customer360.slices import planning
from customer360.slices.state import State, read_state, write_batches, write_state
from customer360.sources import load_sources

NIGHT = datetime(2026, 3, 2, tzinfo=UTC)
HELD = State(NIGHT, "mark", True, 7)


def batch(settings: Settings, name: str) -> LakeFile:
    path = Path(settings.lake) / f"{name}.parquet"
    pq.write_table(lake_schema("interaction").empty_table(), path)
    return LakeFile("interaction", "site", name, str(path))


def plan(
    settings: Settings, held: State | None, built: list[LakeFile], active: list[LakeFile], as_of: datetime
) -> planning.Plan:
    with open_engine(settings) as engine, postgres.connect(settings, application_name="test") as connection:
        if held is not None:
            write_state(engine, held)
            write_batches(engine, built)
        return planning.plan(engine, connection, active, as_of, "mark")


def test_a_night_goes_on_with_the_batches_that_came_and_went(settings: Settings) -> None:
    kept, came, went = (batch(settings, name) for name in ("kept", "came", "went"))
    found = plan(settings, HELD, [kept, went], [kept, came], NIGHT + timedelta(days=1))
    assert (found.since, found.added, found.removed) == (NIGHT, (came,), (went,))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "empty"),
        (replace(HELD, is_complete=False), "not finished"),
        (replace(HELD, fingerprint="other"), "changed"),
        (replace(HELD, as_of=NIGHT + timedelta(days=1)), "this night already"),
        (replace(HELD, as_of=NIGHT + timedelta(days=2)), "or a later one"),
    ],
)
def test_everything_is_built_where_the_engine_does_not_hold_the_night_before(
    held: State | None, reason: str, settings: Settings
) -> None:
    found = plan(settings, held, [], [], NIGHT + timedelta(days=1))
    assert found.since is None
    assert reason in found.reason


def test_everything_is_built_when_a_batch_that_went_is_gone_from_the_lake(settings: Settings) -> None:
    went = batch(settings, "went")
    Path(went.path).unlink()
    found = plan(settings, HELD, [went], [], NIGHT + timedelta(days=1))
    assert found.since is None
    assert "no longer in the lake" in found.reason


def test_everything_is_built_when_a_later_night_gave_customer_ids(settings: Settings) -> None:
    with postgres.connect(settings, application_name="test") as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ops.identity_assignment (anchor, customer_id, from_as_of) values (1, 1, %s)",
            (NIGHT + timedelta(days=5),),
        )
        connection.commit()
    found = plan(settings, HELD, [], [], NIGHT + timedelta(days=1))
    assert found.since is None
    assert "customer ids" in found.reason


def _other_home(settings: Settings, folder: Path) -> Settings:
    """Settings of a home with the same conversions and no models yet."""
    home = folder / "other"
    (home / "dags").mkdir(parents=True)
    shutil.copy(settings.home / "dags" / "attribution.yml", home / "dags")
    return replace(settings, home=home)


def test_the_fingerprint_follows_models_and_own_identities(settings: Settings, tmp_path: Path) -> None:
    text = (
        "version: 1\ncompany: {timezone: UTC, currency: EUR, phone_region: DE}\ndefaults: {timezone: UTC}\nsources:\n"
    )
    text += "  a: {connector: twilio, location: none/*}\n"
    settings.sources.write_text(text, "utf-8")
    config = load_sources(settings.sources)
    mark = planning.fingerprint(settings, config, NIGHT)
    assert planning.fingerprint(settings, config, NIGHT) == mark
    assert planning.fingerprint(settings, replace(config, currency="USD"), NIGHT) != mark
    assert planning.fingerprint(replace(settings, lifecycle_rules="current"), config, NIGHT) != mark
    own = replace(config.own, emails=frozenset({"us@example.com"}))
    assert planning.fingerprint(settings, replace(config, own=own), NIGHT) != mark
    other = _other_home(settings, tmp_path)
    models = other.home / "dbt_project" / "models"
    models.mkdir(parents=True)
    (models / "a.sql").write_text("select 1", "utf-8")
    first = planning.fingerprint(other, config, NIGHT)
    (models / "a.sql").write_text("select 2", "utf-8")
    assert planning.fingerprint(other, config, NIGHT) != first


def test_the_fingerprint_follows_the_rules_in_force(settings: Settings, tmp_path: Path) -> None:
    """A night on whose date, in the company's time zone, a rule begins or ends builds everything."""
    text = "version: 1\ncompany: {timezone: Asia/Shanghai}\ndefaults: {timezone: UTC}\nsources:\n"
    settings.sources.write_text(text + "  a: {connector: twilio, location: none/*}\n", "utf-8")
    config = load_sources(settings.sources)
    other = _other_home(settings, tmp_path)
    seeds = other.home / "dbt_project" / "seeds"
    seeds.mkdir(parents=True)
    rules = "parameter,value,valid_from,valid_to\ndormant_after,180,,2026-03-01\ndormant_after,90,2026-03-01,\n"
    (seeds / "lifecycle_parameters.csv").write_text(rules, "utf-8")
    (seeds / "exchange_rates.csv").write_text("currency,valid_from,rate\nUSD,2026-01-01,0.9\n", "utf-8")
    before, first, later = (
        planning.fingerprint(other, config, datetime(2026, 2, 28, hour, tzinfo=UTC) + timedelta(days=days))
        for hour, days in ((15, 0), (16, 0), (16, 30))
    )
    assert before != first
    assert first == later
    (seeds / "lifecycle_parameters.csv").write_text(rules.replace("2026-03-01", "1 March"), "utf-8")
    with pytest.raises(ValueError, match="1 March"):
        planning.fingerprint(other, config, datetime(2026, 3, 1, tzinfo=UTC))


def test_state_survives_reopening_the_engine(settings: Settings) -> None:
    with open_engine(settings) as engine:
        assert read_state(engine) is None
        write_state(engine, HELD)
    with open_engine(settings) as engine:
        assert read_state(engine) == HELD
        write_state(engine, replace(HELD, publication_id=None))
        assert read_state(engine) == replace(HELD, publication_id=None)
        assert isinstance(engine.read("select 1 as one"), pa.Table)
