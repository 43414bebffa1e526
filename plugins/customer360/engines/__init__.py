"""Engines: where dbt computes. `open_engine` gives the one that the settings name."""

from __future__ import annotations

from customer360.engines.base import Engine, EngineError, LakeFile
from customer360.settings import Settings

__all__ = ["Engine", "EngineError", "LakeFile", "open_engine"]


def open_engine(settings: Settings) -> Engine:
    """The engine of these settings; use it as a context manager. Imports only that engine."""
    if settings.engine == "postgres":
        from customer360.engines.postgres import PostgresEngine

        return PostgresEngine(settings)
    if settings.engine == "spark":
        from customer360.engines.spark import SparkEngine

        return SparkEngine(settings)
    from customer360.engines.duckdb import DuckDBEngine

    return DuckDBEngine(settings)
