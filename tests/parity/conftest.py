"""An engine of each kind, on a lake of adversarial rows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from customer360 import postgres
from customer360.settings import Settings, project_root

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `parity.…` can be imported


@pytest.fixture(scope="session")
def engine_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Settings]]:
    """Settings per engine; the private PostgreSQL runs while the session lasts."""
    local = tmp_path_factory.mktemp("engines")
    for folder in (local, *list(local.parents)[:2]):
        folder.chmod(0o755)  # the server may run as another user
    embedded = Settings(
        home=project_root(),
        local=local,
        sources=local / "sources.yml",
        landing=str(local / "landing"),
        lake=str(local / "lake"),
        serving_url=None,
        engine="duckdb",
        engine_url=None,
        threads=2,
        memory_limit="1GB",
    )
    before = os.environ.get("C360_FSYNC")
    os.environ["C360_FSYNC"] = "off"
    try:
        yield {"duckdb": embedded, "postgres": replace(embedded, engine="postgres")}
    finally:
        postgres.drop(embedded)
        if before is None:
            del os.environ["C360_FSYNC"]
        else:
            os.environ["C360_FSYNC"] = before
