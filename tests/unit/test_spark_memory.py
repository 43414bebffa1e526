"""What `C360_MEMORY_LIMIT` gives each executor of a cluster of our own."""

from __future__ import annotations

import pytest

from customer360.engines import EngineError
from customer360.engines.spark_cluster import executor_memory


@pytest.mark.parametrize(
    ("limit", "memory"), [(None, "1g"), ("3GB", "1536m"), ("4 gib", "2048m"), ("2000MB", "1000m"), ("600MB", "512m")]
)
def test_the_executors_share_the_limit(limit: str | None, memory: str) -> None:
    assert executor_memory(limit) == memory


@pytest.mark.parametrize("limit", ["75%", "much", "4", "-4GB"])
def test_what_is_no_size_is_refused(limit: str) -> None:
    with pytest.raises(EngineError, match="C360_MEMORY_LIMIT"):
        executor_memory(limit)
