"""Airflow pools of the project: name → slots. Imports nothing, so that anything may read it."""

INGEST_POOL = "c360_ingest"  # files read side by side
ENGINE_POOL = "c360_engine"  # one writer of the engine and of the candidate
POOLS = {INGEST_POOL: 2, ENGINE_POOL: 1}
