"""What engine spark says when something is missing: one line that names it, and no secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from customer360.engines import EngineError, open_engine
from customer360.engines.spark_runtime import iceberg_jar, java
from customer360.settings import Settings
from projects import make_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, engine="spark")


def message(settings: Settings) -> str:
    with pytest.raises(EngineError) as raised, open_engine(settings) as engine:
        engine.read("select 1 as one")
    text = str(raised.value)
    assert "\n" not in text
    return text


def test_no_java(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = tmp_path / "runtime.jar"
    jar.touch()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs Java 17 or newer: none is on PATH" in message(replace(settings, spark_jar=str(jar)))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"JAVA_HOME ({tmp_path}) holds none" in message(replace(settings, spark_jar=str(jar)))


def test_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", "utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match="is version 11"):
        java()


def test_no_runtime(settings: Settings, tmp_path: Path) -> None:
    assert "neither a file nor a Maven coordinate" in message(replace(settings, spark_jar=str(tmp_path / "none.jar")))


def test_no_such_coordinate(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to download by, which is what a machine without a repository comes to."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"needs Java|cannot be downloaded"):
        iceberg_jar(replace(settings, home=tmp_path, spark_jar="org.example:runtime:1.0"))


@pytest.mark.parametrize(
    "endpoint", ["sc://127.0.0.1:1/;token=secret", "spark+thrift://me@127.0.0.1:1", "spark://127.0.0.1:1"]
)
def test_nobody_at_the_endpoint(endpoint: str, settings: Settings, tmp_path: Path) -> None:
    jar = tmp_path / "runtime.jar"
    jar.touch()
    told = message(replace(settings, engine_url=endpoint, spark_jar=str(jar)))
    assert told.startswith("no Spark answers at ")
    assert told.endswith("127.0.0.1:1")


def test_an_endpoint_of_another_kind(settings: Settings) -> None:
    assert "C360_ENGINE_URL must begin with" in message(replace(settings, engine_url="postgresql://u:secret@h/d"))
