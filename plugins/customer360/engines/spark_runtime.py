"""What Spark needs from this machine: Java, the pyspark distribution, and the Iceberg runtime for it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from customer360.engines.base import EngineError
from customer360.settings import Settings

COORDINATE = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"  # goes with the pyspark of the lock
_OLDEST_JAVA = 17
_DOWNLOAD_S = 600


def java() -> Path:
    """The Java that Spark starts with: JAVA_HOME's, else that on PATH. Raises EngineError below 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        where = f"JAVA_HOME ({home}) holds none" if home else "none is on PATH and JAVA_HOME is not set"
        raise EngineError(f"engine spark needs Java {_OLDEST_JAVA} or newer: {where}")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.search(r'version "(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        shown = version[1] if version else "unknown"
        raise EngineError(f"engine spark needs Java {_OLDEST_JAVA} or newer: {found} is version {shown}")
    return Path(found)


def spark_home() -> Path:
    """The distribution that the pyspark package carries. Raises EngineError without it."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise EngineError("engine spark needs the packages of the extra `spark`: run `make install-spark`")
    return Path(found.origin).parent


def iceberg_jar(settings: Settings) -> Path:
    """The Iceberg runtime: the given file, else by coordinate, downloaded once into the project.

    Raises EngineError when the file is missing or no repository gives it.
    """
    wanted = settings.spark_jar or COORDINATE
    if wanted.count(":") != 2:
        path = Path(wanted)
        if not path.is_file():
            raise EngineError(f"C360_SPARK_JAR is neither a file nor a Maven coordinate: {wanted}")
        return path.resolve()
    group, artifact, version = wanted.split(":")
    kept = settings.home / ".local" / "jars" / f"{artifact}-{version}.jar"
    if not kept.is_file():
        _download(group, artifact, version, kept)
    return kept


def _download(group: str, artifact: str, version: str, kept: Path) -> None:
    """By Maven where there is one (its settings know the mirrors), else by the Ivy that comes with Spark."""
    arriving = kept.parent / f"arriving-{os.getpid()}"
    arriving.mkdir(parents=True, exist_ok=True)
    maven = shutil.which("mvn")
    if maven:
        command = [maven, "-q", "-B", "-ntp", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"]
        command += [f"-Dartifact={group}:{artifact}:{version}", f"-DoutputDirectory={arriving}"]
    else:
        command = [str(java()), "-jar", str(_ivy()), "-dependency", group, artifact, version]
        command += ["-notransitive", "-retrieve", f"{arriving}/[artifact]-[revision].[ext]"]
    try:
        subprocess.run(  # noqa: S603  (a coordinate we or the operator wrote)
            command, cwd=arriving, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DOWNLOAD_S, check=True
        )
        (arriving / kept.name).replace(kept)
    except (subprocess.SubprocessError, OSError):
        raise EngineError(
            f"the Iceberg runtime {group}:{artifact}:{version} cannot be downloaded;"
            " put the file on this machine and name it in C360_SPARK_JAR"
        ) from None
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _ivy() -> Path:
    found = sorted((spark_home() / "jars").glob("ivy-*.jar"))
    if not found:
        raise EngineError("this Spark carries no Ivy and there is no Maven: name the Iceberg runtime in C360_SPARK_JAR")
    return found[-1]
