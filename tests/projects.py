"""Settings of projects that tests make."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from customer360 import nightly, postgres
from customer360.ops import migrate
from customer360.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]


def make_settings(local: Path, serving_url: str | None = None, engine: str = "duckdb") -> Settings:
    """Settings of a project that lives below `local`; what dbt parsed, named by its content, is shared by all."""
    manifests = local / "dbt" / "manifests"
    if not manifests.exists():
        manifests.parent.mkdir(parents=True, exist_ok=True)
        shared = PROJECT / ".local" / "dbt" / "manifests"
        shared.mkdir(parents=True, exist_ok=True)
        manifests.symlink_to(shared, target_is_directory=True)
    return Settings(
        home=PROJECT,
        local=local,
        sources=local / "sources.yml",
        landing=str(local / "landing"),
        lake=str(local / "lake"),
        serving_url=serving_url,
        engine=engine,
        engine_url=None,
        threads=2,
        memory_limit=None,
    )


def export(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `Settings.from_env()` give `settings`, here and in child processes."""
    for name, value in {
        "C360_HOME": settings.home,
        "C360_LOCAL": settings.local,
        "C360_SOURCES": settings.sources,
        "C360_LANDING": settings.landing,
        "C360_LAKE": settings.lake,
        "C360_SERVING_URL": settings.serving_url,
        "C360_ENGINE": settings.engine,
    }.items():
        monkeypatch.setenv(name, str(value))


def publish_night(settings: Settings, night: datetime) -> None:
    """What lies in the landing of a project with a database of its own, read and published as of `night`."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        export(settings, monkeypatch)
        with postgres.connect(settings, application_name="test") as connection:
            migrate(connection)
        for source in nightly.source_names():
            for delivery in nightly.discover(source, night):
                nightly.load(source, delivery, night)
        for _ in nightly.run_night(night, "test", approve=True):
            pass
