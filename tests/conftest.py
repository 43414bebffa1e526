"""Fixtures every suite shares: real sample files, and a private Postgres with a database per test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import marketed
from customer360 import postgres
from customer360.ops import migrate
from customer360.settings import Settings
from marketed import Company
from projects import PROJECT, export, make_settings

SAMPLES = Path(os.environ.get("C360_SAMPLES") or PROJECT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of real sample files; skips where it is absent, fails in CI (which must not skip)."""
    if not SAMPLES.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"real sample files are not at {SAMPLES}")
        pytest.skip(f"real sample files are not at {SAMPLES}; set C360_SAMPLES")
    return SAMPLES


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running private Postgres, dropped at the end."""
    os.environ["C360_FSYNC"] = "off"
    settings = make_settings(tmp_path_factory.mktemp("cluster"))
    postgres.start(settings)
    yield settings
    postgres.drop(settings)


@pytest.fixture
def settings(cluster: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a migrated database of their own; the environment says the same."""
    url = postgres.database_url(cluster, f"t{uuid.uuid4().hex[:16]}")
    made = make_settings(tmp_path, url)
    for folder in ("landing", "lake"):
        (tmp_path / folder).mkdir()
    export(made, monkeypatch)
    with postgres.connect(made, application_name="test") as connection:
        migrate(connection)
    return made


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of engine spark on a cluster of its own: a master, two workers and a server for sessions.

    Skips where Java or the packages are absent, fails in CI (which must not skip).
    """
    from customer360.engines import EngineError, spark_cluster, spark_runtime

    settings = make_settings(tmp_path_factory.mktemp("spark"), engine="spark")
    try:
        spark_runtime.java()
        jar = spark_runtime.iceberg_jar(settings)
        spark_runtime.spark_home()
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    folder = settings.local / "spark"
    try:
        cluster = spark_cluster.start(folder, jar)
        yield replace(settings, engine_url=cluster.endpoint)
    finally:
        spark_cluster.stop(folder)


@pytest.fixture(scope="session")
def company(cluster: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A made-up company with one published night; who changes what is served puts it back."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield marketed.make(cluster, tmp_path_factory.mktemp("company"), monkeypatch)
