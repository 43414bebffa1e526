"""Do the tests notice when a line of attribution or of the lifecycle changes? `make mutants`.

A line of a model, or of a macro that only these models use, is drawn at random and changed as in mutation.py, in dbt's
parsed project: no file is touched. First the unit tests of the models concerned are run. If they pass, the model and all
that is built on it are built anew from a small lake full of edge cases, with every test of the data, and what the
lifecycle says is counted anew in Python, as `make parity` does. What does not even run is noticed too, but teaches nothing:
another change is drawn in its place, and only counted.

The last line is one JSON object: mutants, caught, seed, do_not_run. Before it stands each change that nothing noticed.
"""

from __future__ import annotations

import argparse
import difflib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder
from mutation import changes, is_rule

from customer360.attribution import markov
from customer360.attribution.config import load
from customer360.dbt_runner import ROWS_AND_SUMS, manifest_key, run_dbt, target_path
from customer360.engines import open_engine
from customer360.settings import Settings, project_root

sys.path.insert(0, str(project_root() / "tests"))

PROJECT = project_root() / "dbt_project"
FOLDERS = tuple(
    f"models/{layer}/{area}/" for layer in ("intermediate", "marts") for area in ("attribution", "lifecycle")
)
# Rows of these are made when a night is published; the model only names their columns.
SHELLS = ("attribution_restatements", "attribution_restated_conversions")
UNCHANGED = ""


@dataclass(frozen=True)
class Line:
    """A line of a node of dbt's manifest: of a model, or of a macro."""

    node: str
    number: int


class NotRunError(Exception):
    """dbt could not compile or run what was changed."""


class Company:
    """A small lake, built once; every change gets a copy of its DuckDB file."""

    def __init__(self, folder: Path) -> None:
        self.local = folder
        self.settings = _settings(folder)
        self.config = load(project_root() / "dags" / "attribution.yml")
        self.manifest_file = folder / "manifest.msgpack"

    def vars(self, zone: str) -> dict[str, Any]:
        from parity.adversarial import AS_OF

        return {"as_of": f"{AS_OF:%Y-%m-%d %H:%M:%S}", "timezone": zone} | self.config.as_vars()

    def build(self) -> None:
        """Everything, with every test of the data; dbt's manifest is kept beside it."""
        from parity.adversarial import AS_OF, write_lake
        from parity.standin import write_identity
        from parity.test_parity import ZONE

        night = self.vars(ZONE)
        with open_engine(self.settings) as engine:
            engine.stage(write_lake(self.local / "lake"))
            engine.release()
            run_dbt(self.settings, engine, "build", select="+tag:identity_input", vars=night)
            write_identity(engine, AS_OF)
            engine.release()
            run_dbt(self.settings, engine, "build", **ROWS_AND_SUMS, vars=night)
            markov.solve(engine, self.config)
            engine.release()
            run_dbt(self.settings, engine, "build", select="tag:whole", vars=night)
            key = manifest_key(PROJECT, engine, night)
        shutil.copy(self.local / "dbt" / "manifests" / f"{key}.msgpack", self.manifest_file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    chosen = parser.parse_args()
    company = _company()
    manifest = Manifest.from_msgpack(company.manifest_file.read_bytes(), decoder=extended_mashumuro_decoder)
    caught = failed_to_run = 0
    found = 0
    for line, changed in drawn(manifest, random.Random(chosen.seed)):
        verdict = judge(company, manifest, line, changed)
        failed_to_run += verdict == "does not run"
        if verdict == "does not run":
            continue
        found += 1
        caught += verdict != UNCHANGED
        print(f"{found:3} {_place(manifest, line)}: {verdict or 'NOT NOTICED'}", flush=True)
        if verdict == UNCHANGED:
            print(_difference(manifest, line, changed), flush=True)
        if found == chosen.count:
            break
    print(json.dumps({"mutants": found, "caught": caught, "seed": chosen.seed, "do_not_run": failed_to_run}))
    sys.exit(caught < 0.95 * found)


def _company() -> Company:
    """The company as the project stands, built if it was not before."""
    kept = project_root() / ".local" / "mutants"
    settings = _settings(kept)
    with open_engine(settings) as engine:
        mark = manifest_key(PROJECT, engine, {})
    folder = kept / mark
    if not (folder / "manifest.msgpack").exists():
        shutil.rmtree(kept, ignore_errors=True)
        company = Company(folder)
        _apart(company.build)
        manifest = Manifest.from_msgpack(company.manifest_file.read_bytes(), decoder=extended_mashumuro_decoder)
        failing = _apart(_unit_tests, company, manifest, _models(manifest))
        if failing:
            company.manifest_file.unlink()
            sys.exit(f"fail before anything is changed: {failing}")
    return Company(folder)


def _settings(local: Path) -> Settings:
    from projects import make_settings

    return replace(make_settings(local), memory_limit="1GB")


# What is changed ------------------------------------------------------------------------------------


def drawn(manifest: Manifest, chance: random.Random) -> Iterator[tuple[Line, str | None]]:
    """One change of each line, lines in a random order."""
    lines = [
        Line(node, number)
        for node in sorted([*_models(manifest), *_own_macros(manifest)])
        for number, text in enumerate(_text(manifest, node).splitlines())
        if is_rule(text) and changes(text)
    ]
    chance.shuffle(lines)
    for line in lines:
        yield line, chance.choice(changes(_text(manifest, line.node).splitlines()[line.number]))


def _models(manifest: Manifest) -> list[str]:
    return [
        key
        for key, node in manifest.nodes.items()
        if node.resource_type == "model" and node.original_file_path.startswith(FOLDERS) and node.name not in SHELLS
    ]


def _own_macros(manifest: Manifest) -> list[str]:
    """Macros of the project that no other model uses, directly or through another macro."""
    ours = set(_models(manifest))
    users: dict[str, set[str]] = {}
    for key, node in manifest.nodes.items():
        if node.resource_type == "model":
            for macro in _reached(manifest, node.depends_on.macros):
                users.setdefault(macro, set()).add(key)
    return [key for key, by in users.items() if key.startswith("macro.customer360.") and by <= ours]


def _reached(manifest: Manifest, macros: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(macros)
    while waiting:
        macro = waiting.pop()
        if macro not in found and macro in manifest.macros:
            found.add(macro)
            waiting += manifest.macros[macro].depends_on.macros
    return found


def _concerned(manifest: Manifest, node: str) -> list[str]:
    """The models whose SQL a change of the node changes."""
    if node in manifest.nodes:
        return [node]
    return [key for key in _models(manifest) if node in _reached(manifest, manifest.nodes[key].depends_on.macros)]


def _text(manifest: Manifest, node: str) -> str:
    return str(manifest.nodes[node].raw_code if node in manifest.nodes else manifest.macros[node].macro_sql)


def _changed(manifest: Manifest, line: Line, changed: str | None) -> str:
    lines = _text(manifest, line.node).splitlines()
    lines[line.number : line.number + 1] = [] if changed is None else [changed]
    return "\n".join(lines) + "\n"


def _place(manifest: Manifest, line: Line) -> str:
    """File and line of a model; of a macro, which may not begin its file, its name and line."""
    if line.node in manifest.nodes:
        return f"{manifest.nodes[line.node].original_file_path}:{line.number + 1}"
    return f"{line.node.removeprefix('macro.customer360.')}() line {line.number + 1}"


def _difference(manifest: Manifest, line: Line, changed: str | None) -> str:
    one, other = _text(manifest, line.node).splitlines(), _changed(manifest, line, changed).splitlines()
    return "\n".join(difflib.unified_diff(one, other, line.node, "changed", lineterm="", n=2))


# What notices it ------------------------------------------------------------------------------------


def judge(company: Company, manifest: Manifest, line: Line, changed: str | None) -> str:
    """Who noticed the change, '' for nobody."""
    try:
        return str(_apart(_judge, company, manifest, line, changed))
    except NotRunError:
        return "does not run"


def _judge(company: Company, manifest: Manifest, line: Line, changed: str | None) -> str:
    models = _concerned(manifest, line.node)
    text = _changed(manifest, line, changed)
    if line.node in manifest.nodes:
        manifest.nodes[line.node].raw_code = text
    else:
        manifest.macros[line.node].macro_sql = text
    with tempfile.TemporaryDirectory(prefix="c360-mutant-") as folder:
        copy = Company(Path(folder))
        _copy_engine(company, copy)
        failing = _unit_tests(copy, manifest, models) or _data_tests(copy, manifest, models)
        return failing or _counted_anew(copy)


def _copy_engine(company: Company, copy: Company) -> None:
    engine = copy.local / "engine"
    engine.mkdir()
    shutil.copy(company.local / "engine" / "customer360.duckdb", engine)


def _unit_tests(company: Company, manifest: Manifest, models: list[str]) -> str:
    names = {manifest.nodes[key].name for key in models}
    tested = names & {test.model for test in manifest.unit_tests.values()}
    if not tested:
        return UNCHANGED
    chosen = " ".join(f"{name},test_type:unit" for name in sorted(tested))
    return str(_apart(_dbt, company, manifest, "UTC", "test", "--select", *chosen.split()))


def _data_tests(company: Company, manifest: Manifest, models: list[str]) -> str:
    """As a night builds: what is each customer's, the chain, and what is of all."""
    from parity.test_parity import ZONE

    below = [f"{manifest.nodes[key].name}+" for key in models]
    left_out = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")
    customers = ("--select", *below, "--exclude", "tag:whole", "tag:marketing", *left_out)
    failing = _apart(_dbt, company, manifest, ZONE, "build", *customers)
    if failing:
        return str(failing)
    _apart(_solve, company)
    whole = ("--select", *(f"{each},tag:whole" for each in below), "attribution_markov+", "--exclude", "tag:marketing")
    return str(_apart(_dbt, company, manifest, ZONE, "build", *whole, *left_out))


def _solve(company: Company) -> None:
    with open_engine(company.settings) as engine:
        markov.solve(engine, company.config)


def _dbt(company: Company, manifest: Manifest, zone: str, command: str, *options: str) -> str:
    """Names of the tests that failed. Raises NotRunError where there was an error instead."""
    manifest.build_flat_graph()
    target = target_path(company.settings)
    target.mkdir(parents=True, exist_ok=True)
    with open_engine(company.settings) as engine:
        os.environ |= engine.dbt_environment()
    shared = [
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", "duckdb"),
        *("--target-path", str(target), "--log-path", str(target), "--log-level", "none", "--quiet"),
        *("--vars", json.dumps(company.vars(zone)), "--no-partial-parse"),
    ]
    done = dbtRunner(manifest=manifest).invoke([command, *options, *shared])
    if done.exception is not None or done.result is None:
        raise NotRunError
    statuses = {result.node.unique_id: str(result.status) for result in done.result.results}
    failing = sorted(key.split(".")[-1] for key, status in statuses.items() if status == "fail")
    if not failing and "error" in statuses.values():
        raise NotRunError
    return ", ".join(failing)


def _counted_anew(company: Company) -> str:
    """What of tests/parity looks at the answers themselves."""
    from parity import test_parity
    from parity.compare import read_marts

    with open_engine(company.settings) as engine:
        marts: Any = {"duckdb": read_marts(engine)}
    checks: tuple[Callable[..., None], ...] = (
        test_parity.test_each_day_of_the_lifecycle_is_what_counting_gives,
        test_parity.test_the_funnel_is_what_counting_and_the_exact_curve_give,
        test_parity.test_customers_are_dormant_while_nobody_hears_of_them,
    )
    for check in checks:
        try:
            check(marts)
        except AssertionError:
            return check.__name__
    return UNCHANGED


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns, called in a process of its own, so that nothing it changes stays. Raises NotRunError
    if that did, RuntimeError if it ended otherwise."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def call() -> None:
        try:
            theirs.send(("is", function(*arguments)))
        except NotRunError:
            theirs.send(("not run", None))

    process = context.Process(target=call)
    process.start()
    theirs.close()
    try:
        kind, value = ours.recv()
    except EOFError:
        raise RuntimeError("a process ended without a word") from None
    finally:
        process.join()
    if kind == "not run":
        raise NotRunError
    return value


if __name__ == "__main__":
    main()
