"""An engine of each kind, and what is told of them: `.local/parity.json`, for `make parity`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from customer360 import postgres
from customer360.settings import Settings, project_root

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `parity.…` can be imported

from parity.compare import Compared
from projects import make_settings

ENGINES = (
    pytest.param("duckdb", id="duckdb"),
    pytest.param("postgres", id="postgres"),
    pytest.param("spark", id="spark", marks=pytest.mark.spark),
)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of the engines that live on this machine; the private PostgreSQL runs while the session lasts."""
    settings = replace(make_settings(tmp_path_factory.mktemp("engines")), memory_limit="1GB")
    before = os.environ.get("C360_FSYNC")
    os.environ["C360_FSYNC"] = "off"
    try:
        yield settings
    finally:
        postgres.drop(settings)
        if before is None:
            del os.environ["C360_FSYNC"]
        else:
            os.environ["C360_FSYNC"] = before


class EngineSettings:
    """Settings per engine; Spark's cluster is started by who asks for it first."""

    def __init__(self, embedded: Settings, request: pytest.FixtureRequest) -> None:
        self._embedded = embedded
        self._request = request

    def __getitem__(self, engine: str) -> Settings:
        if engine == "spark":
            spark: Any = self._request.getfixturevalue("spark_settings")
            return replace(self._embedded, engine="spark", engine_url=spark.engine_url)
        return replace(self._embedded, engine=engine)


@pytest.fixture(scope="session")
def engine_settings(embedded: Settings, request: pytest.FixtureRequest) -> EngineSettings:
    return EngineSettings(embedded, request)


@pytest.fixture(scope="session")
def compared() -> Iterator[Compared]:
    found = Compared()
    yield found
    report = project_root() / ".local" / "parity.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(found.summary()) + "\n", "utf-8")
