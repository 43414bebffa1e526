"""Expectation suites as readable files: one YAML a suite, below `expectations/`.

```yaml
suite: raw/interactions
tables:
  interaction:
    - expectation: expect_column_values_to_be_in_set
      column: channel
      value_set: [phone, email]
      severity: critical          # critical (default) | warning
```

`expectation` is any Great Expectations name; the other keys are its arguments. `within: [a, b]` says that it judges
those rows together which share `a` and `b`, each group for itself: of a candidate only groups with a changed row are
looked at again (see `candidate`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SEVERITIES = ("critical", "warning")
# What is judged of each row by itself: it still holds of the rows that did not change.
OF_A_ROW = frozenset(
    f"expect_column_values_to_{what}"
    for what in (
        *("be_between", "be_in_set", "be_null", "match_like_pattern", "match_regex", "match_regex_list"),
        *("not_be_in_set", "not_be_null", "not_match_like_pattern", "not_match_regex", "not_match_regex_list"),
    )
)
UNIQUE = "expect_column_values_to_be_unique"


class SuiteError(Exception):
    """An expectation suite that cannot be read; the text names file, table and expectation."""


@dataclass(frozen=True, slots=True)
class Expectation:
    name: str
    arguments: dict[str, Any]
    severity: str
    within: tuple[str, ...] = ()

    @property
    def scope(self) -> tuple[str, ...] | None:
        """What has to be looked at again when rows changed: the columns by which a row is judged together with others,
        () the changed rows alone, None the whole table (shares and totals)."""
        if self.within:
            return self.within
        if self.arguments.get("mostly", 1) != 1:
            return None
        if self.name == UNIQUE:
            return (self.arguments["column"],)
        return () if self.name in OF_A_ROW else None


@dataclass(frozen=True, slots=True)
class Suite:
    """`tables` maps a table (lake entity or mart) to what must hold of it."""

    name: str
    tables: dict[str, tuple[Expectation, ...]]


def mark(root: Path, folder: str) -> str:
    """Names what the suites of `root/<folder>/` say."""
    named = hashlib.sha256()
    for path in sorted((root / folder).glob("*.yml")):
        named.update(path.name.encode() + path.read_bytes())
    return named.hexdigest()[:16]


def load_suite(root: Path, name: str) -> Suite:
    """Read `root/<name>.yml`. Raises SuiteError if it is missing or malformed."""
    path = root / f"{name}.yml"
    if not path.is_file():
        raise SuiteError(f"{path}: no such expectation suite")
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise SuiteError(f"{path}:{mark.line + 1 if mark else 1}: not YAML") from error
    if not isinstance(document, dict) or set(document) != {"suite", "tables"}:
        raise SuiteError(f"{path}: needs exactly the keys suite and tables")
    if document["suite"] != name:
        raise SuiteError(f"{path}: says suite {document['suite']!r}, but the file is {name!r}")
    if not isinstance(document["tables"], dict) or not document["tables"]:
        raise SuiteError(f"{path}: tables must name at least one table")
    return Suite(
        name,
        {
            table: tuple(_expectation(path, table, entry) for entry in entries or ())
            for table, entries in document["tables"].items()
        },
    )


def load_suites(root: Path, folder: str) -> list[Suite]:
    """Every suite of `root/<folder>/`, by name."""
    return [load_suite(root, f"{folder}/{path.stem}") for path in sorted((root / folder).glob("*.yml"))]


def _expectation(path: Path, table: str, entry: object) -> Expectation:
    if not isinstance(entry, dict) or not isinstance(entry.get("expectation"), str):
        raise SuiteError(f"{path}: {table}: every entry needs a key expectation")
    arguments = dict(entry)
    name = arguments.pop("expectation")
    severity = arguments.pop("severity", "critical")
    if severity not in SEVERITIES:
        raise SuiteError(f"{path}: {table}: {name}: severity is one of {', '.join(SEVERITIES)}")
    within = arguments.pop("within", [])
    if not isinstance(within, list) or not all(isinstance(column, str) for column in within):
        raise SuiteError(f"{path}: {table}: {name}: within is a list of columns")
    return Expectation(name, arguments, severity, tuple(within))
