"""Fixtures every suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SAMPLES = Path(os.environ.get("C360_SAMPLES") or PROJECT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of real sample files; skips where it is absent, fails in CI (which must not skip)."""
    if not SAMPLES.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"real sample files are not at {SAMPLES}")
        pytest.skip(f"real sample files are not at {SAMPLES}; set C360_SAMPLES")
    return SAMPLES
