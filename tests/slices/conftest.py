"""An engine that always builds everything; and so that `parity.…` can be imported."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from customer360.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture
def whole(settings: Settings, tmp_path: Path) -> Settings:
    """An engine of its own beside the same lake, ledger and registry: it always builds everything."""
    return replace(settings, local=tmp_path / "whole", engine="duckdb")
