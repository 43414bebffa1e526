"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(happened: Callable[[], bool], patience_s: float = 60, otherwise: str = "it did not happen") -> None:
    """Return as soon as it happened. Raises AssertionError after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
