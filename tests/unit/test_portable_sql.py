"""What the engines read alike and answer differently stands in no model; macros of `cross_db` say it for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from customer360.settings import project_root

PROJECT = project_root() / "dbt_project"
# What it is → how it is found. Comments and texts are taken out first.
DIVERGING = {
    "a division: whole numbers give 3 or 3.5": r"\s/\s",
    "concat: a null makes the whole null on Spark only": r"\bconcat(?:_ws)?\s*\(",
    "regexp_replace: the first match or every one": r"\bregexp_replace\s*\(",
    "extract: days of the week begin with 0 or 1, Sunday or Monday": r"\bextract\s*\(\s*(?!(?:year|month)\b)|\bdate_part\s*\(",
    "an interval added: a date stays a date or becomes a timestamp": r"\binterval\b",
    "the present": r"\b(?:now|today|getdate|current_date|current_timestamp|localtimestamp)\b",
    "a float: its sum depends on the order": r"\b(?:double|float|real|float8)\b",
    "ordered lists": r"\b(?:string_agg|array_agg|group_concat|listagg)\s*\(",
    "a window over filtered rows: Spark has none": r"\bfilter\s*\((?:[^()]|\([^()]*\))*\)\s*over\b",
    "regular expressions of one engine": r"(?<![<>=!])~\s|\brlike\b|\bsimilar to\b",
}
# Where both sides are floating point by a cast: IEEE 754 has one answer.
FLOATING = {
    "macros/schema/interval_of.sql",
    "macros/schema/ratio_of.sql",
    "macros/schema/share_between.sql",
    "models/intermediate/attribution/int_attribution__path.sql",
    "models/intermediate/identity/int_identity__answer.sql",
}
FILES = sorted(path for folder in ("models", "tests", "macros/schema") for path in (PROJECT / folder).rglob("*.sql"))


def code(path: Path) -> str:
    """The SQL of a file without comments, texts and what Jinja puts together."""
    text = re.sub(r"\{#.*?#\}|--[^\n]*|\{%.*?%\}", " ", path.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    return re.sub(r"'(?:[^']|'')*'", "''", text).lower()


@pytest.mark.parametrize("what", DIVERGING)
def test_no_model_says_what_engines_answer_differently(what: str) -> None:
    assert len(FILES) > 50
    found = {str(path.relative_to(PROJECT)) for path in FILES if re.search(DIVERGING[what], code(path))}
    assert found == (FLOATING if what.startswith("a division") else set())
