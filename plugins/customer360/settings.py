"""Where things are, from the environment. Every default lies under the project's `.local/`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ENGINES = ("duckdb", "postgres", "spark")
LIFECYCLE_RULES = ("dated", "current")


def project_root() -> Path:
    """The checkout: `C360_HOME`, or the folder that holds `plugins/customer360`."""
    home = os.environ.get("C360_HOME")
    return Path(home).resolve() if home else Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per command or task with `Settings.from_env()`; pass it on, never re-read."""

    home: Path
    local: Path  # C360_LOCAL: private cluster, engine files, reports
    sources: Path  # C360_SOURCES
    landing: str  # C360_LANDING: local path or fsspec URL
    lake: str  # C360_LAKE: local path or fsspec URL
    serving_url: str | None  # C360_SERVING_URL: postgresql://…; None: the embedded cluster
    engine: str  # C360_ENGINE: duckdb | postgres | spark
    # C360_ENGINE_URL. postgres: None is the serving server. spark: sc://…, spark+thrift://… or spark://…; None is a
    # cluster of our own on this machine.
    engine_url: str | None
    threads: int  # C360_THREADS
    memory_limit: str | None  # C360_MEMORY_LIMIT, e.g. 4GB, for DuckDB, and for Spark's executors
    spark_warehouse: str | None = None  # C360_SPARK_WAREHOUSE: folder that this machine and the cluster see
    exports_folder: Path | None = None  # C360_EXPORTS: files for marketing; None is `exports` below `local`
    spark_jar: str | None = None  # C360_SPARK_JAR: path of the Iceberg runtime, or its Maven coordinate
    # C360_LIFECYCLE_RULES. dated: the past is judged by the rules that held then; current: by those of the night.
    lifecycle_rules: str = "dated"

    @property
    def exports(self) -> Path:
        """Where the files for marketing are written."""
        return self.exports_folder or self.local / "exports"

    @classmethod
    def from_env(cls) -> Settings:
        """Settings of this process. Raises ValueError for an engine that does not exist, or rules that are neither."""
        env = os.environ
        home = project_root()
        local = Path(env.get("C360_LOCAL") or home / ".local").resolve()
        engine = env.get("C360_ENGINE") or "duckdb"
        if engine not in ENGINES:
            raise ValueError(f"C360_ENGINE is {engine!r}; known engines: {', '.join(ENGINES)}")
        rules = env.get("C360_LIFECYCLE_RULES") or "dated"
        if rules not in LIFECYCLE_RULES:
            raise ValueError(f"C360_LIFECYCLE_RULES is {rules!r}; it may be {' or '.join(LIFECYCLE_RULES)}")
        return cls(
            home=home,
            local=local,
            sources=Path(env.get("C360_SOURCES") or home / "dags" / "sources.yml").resolve(),
            landing=env.get("C360_LANDING") or str(local / "landing"),
            lake=env.get("C360_LAKE") or str(local / "lake"),
            serving_url=env.get("C360_SERVING_URL") or None,
            engine=engine,
            engine_url=env.get("C360_ENGINE_URL") or None,
            threads=int(env.get("C360_THREADS") or os.cpu_count() or 1),
            memory_limit=env.get("C360_MEMORY_LIMIT") or None,
            spark_warehouse=env.get("C360_SPARK_WAREHOUSE") or None,
            exports_folder=Path(env["C360_EXPORTS"]).resolve() if env.get("C360_EXPORTS") else None,
            spark_jar=env.get("C360_SPARK_JAR") or None,
            lifecycle_rules=rules,
        )
