"""dbt, as a process of its own: what it did, and which node failed, without values of a record."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from customer360 import dbt_process
from customer360.engines.base import Engine, EngineError
from customer360.settings import Settings

_OF_THE_NIGHT = ("as_of", "as_of_date")
_LOG_BYTES = 5_000_000


class DbtError(EngineError):
    """A dbt command failed; the text names the nodes, not what was in the rows."""


@dataclass(frozen=True, slots=True)
class Node:
    """One model, test or seed of a dbt run. `failures` counts the rows a test found."""

    unique_id: str
    status: str
    seconds: float
    failures: int | None


@dataclass(frozen=True, slots=True)
class DbtResult:
    nodes: tuple[Node, ...]


def count_tests(nodes: Iterable[Node], before: Mapping[str, int] | None = None) -> dict[str, int]:
    """How many tests of the data held, and how many only warned; added to those of `before`."""
    found = Counter(node.status for node in nodes if node.unique_id.startswith("test."))
    counts = {"passed": found["pass"], "warned": found["warn"]}
    return {kind: count + (before or {}).get(kind, 0) for kind, count in counts.items()}


# What a night builds between identity and what is made whole: its customers' rows, and the sums over them.
ROWS_AND_SUMS: Final = {"select": "+tag:marts tag:tally", "exclude": "+tag:identity_input tag:whole"}


def target_path(settings: Settings) -> Path:
    """Where dbt leaves its artifacts for this engine."""
    return settings.local / "dbt" / settings.engine


def manifest_path(settings: Settings) -> Path:
    """dbt's manifest of the last run on this engine."""
    return target_path(settings) / "manifest.json"


def run_dbt(
    settings: Settings,
    engine: Engine,
    *command: str,
    select: str | None = None,
    exclude: str | None = None,
    vars: Mapping[str, Any] | None = None,
) -> DbtResult:
    """Run `dbt <command>` on the engine, which must be released.

    Raises DbtError naming every node that failed, or the end of dbt's own message when it failed
    before the first node.
    """
    target = target_path(settings)
    target.mkdir(parents=True, exist_ok=True)
    project = settings.home / "dbt_project"
    shared = [
        *("--project-dir", str(project), "--profiles-dir", str(project), "--target", engine.name),
        *("--target-path", str(target), "--log-path", str(target / "logs")),
        *(("--vars", json.dumps(dict(vars))) if vars else ()),
    ]
    options = [
        *(("--select", select) if select else ()),
        *(("--exclude", exclude) if exclude else ()),
        # A test runs with the last of its models, not before they are all there.
        *(("--indirect-selection", "buildable") if select else ()),
        # A night asserts its data; unit tests prove the SQL, on rows of their own, when it is changed.
        *(("--exclude-resource-type", "unit_test") if command[0] == "build" else ()),
    ]
    kept = settings.local / "dbt" / "manifests" / f"{manifest_key(project, engine, vars or {})}.msgpack"
    environment = {
        **os.environ,
        **engine.dbt_environment(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "DBT_VERSION_CHECK": "false",
    }
    results = target / "run_results.json"
    output = target / dbt_process.OUTPUT
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for of_before in (results, output):
            of_before.unlink(missing_ok=True)
        ended = dbt_process.run(
            dbt_process.Command(
                words=[*command, *options],
                shared=shared,
                manifest=str(kept),
                adapter=engine.name,
                environment=environment,
                folder=str(project),
                target=str(target),
            )
        )
        nodes = _nodes(results)
        said = output.read_text("utf-8") if output.exists() else f"its process ended with {ended.code}"
        _log(target / "logs" / "dbt.log", f"dbt {' '.join((*command, *options))}\n{said}\n")
    if ended.code:
        raise DbtError(_failure(command[0], nodes, said, target))
    return DbtResult(nodes)


def _log(log: Path, text: str) -> None:
    """Append to what dbt said before, of which about 10 MB are kept."""
    log.parent.mkdir(exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def manifest_key(project: Path, engine: Engine, vars: Mapping[str, Any]) -> str:
    """Names what dbt's manifest depends on: every file of the project and where it lies, the engine's target, the
    variables but those of the night (a model may read its date only when it runs) and dbt itself."""
    lasting = {name: value for name, value in vars.items() if name not in _OF_THE_NIGHT}
    reports = os.environ.get("C360_REPORTS_URL")  # in the exposures
    versions = [version(package) for package in ("dbt-core", "dbt-adapters", f"dbt-{engine.name}")]
    mark = hashlib.sha256(json.dumps([str(project), engine.name, engine.database, lasting, reports, versions]).encode())
    for path in sorted(path for path in project.rglob("*") if path.is_file()):
        mark.update(f"{path.relative_to(project)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return mark.hexdigest()[:32]


def _nodes(results: Path) -> tuple[Node, ...]:
    if not results.exists():
        return ()
    found = json.loads(results.read_text("utf-8"))["results"]
    return tuple(
        Node(each["unique_id"], each["status"], each["execution_time"], each.get("failures")) for each in found
    )


def _failure(command: str, nodes: tuple[Node, ...], output: str, target: Path) -> str:
    failed = [node for node in nodes if node.status in {"error", "fail", "runtime error"}]
    if failed:
        named = "; ".join(
            f"{node.unique_id} {node.status}" + (f" ({node.failures} rows)" if node.failures else "") for node in failed
        )
        return f"dbt {command}: {named}; dbt's own log is below {target}"
    return f"dbt {command} did not start: {output.strip()[-1500:]}"
