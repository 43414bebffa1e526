"""Changes of a line of a dbt model, as an editor's slip or a misread rule would make them: for `make mutants`."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What is swapped for what: one occurrence at a time, outside quoted text.
_SWAPS = (
    *((r"<=", "<"), (r">=", ">"), (r"(?<![<>=!])<(?![=>])", "<="), (r"(?<![<>=-])>(?!=)", ">="), (r"<>", "=")),
    (r"(?<![<>=!])=(?!=)", "<>"),
    *((r"\band\b", "or"), (r"\bor\b", "and"), (r"\bnot ", ""), (r"\bis null\b", "is not null")),
    *((r"\bis not null\b", "is null"), (r"\btrue\b", "false"), (r"\bfalse\b", "true")),
    *((r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\bleast\(", "greatest("), (r"\bgreatest\(", "least(")),
    *((r"\blag\(", "lead("), (r"\blead\(", "lag("), (r"\bbool_and\(", "bool_or("), (r"\bbool_or\(", "bool_and(")),
    *((r"\bsum\(", "max("), (r"\bcount\(\*\)", "max(1)"), (r"\bfloor\(", "ceil("), (r" desc\b", "")),
    *((r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "), (r" / ", " * ")),
    *((r"\bunbounded preceding\b", "1 preceding"), (r"\bunbounded following\b", "1 following")),
    (r"\bleft join\b", "inner join"),
)
_DROPPED_FROM_LIST = r"(?<=partition by )(\w+), (?=\w)|, (\w+)(?=\)? ?$)|(?<=order by )([\w.]+), (?=\w)"
_NUMBER = r"(?<![\w.'])\d+(?![\w.'])"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# What may not be dropped alone without breaking the statement around it, or whoever asks for a column; and a frame that
# is the default one where, as every window must, the order has no ties.
_FRAME = re.compile(
    r"^(select\b.*|from\b.*|with\b.*|where|having|group by.*|case|end\b.*|union all|else\b.*"
    r"|[\w.]+,?|rows between unbounded preceding and current row|\w+ as \($|[\w ]*join\b.*|on\b.*|window\b.*|\w+ as \(.*|order by.*|partition by.*|[(){}%\-,+ ]+)$"
)


def is_rule(line: str) -> bool:
    """Whether the line of a model's text says anything of a result: no comment, no blank, no configuration."""
    text = line.strip()
    return bool(text) and not text.startswith(("--", "{#", "{{ config(", "#}", "{% endmacro", "{%- endmacro"))


def changes(line: str) -> list[str | None]:
    """What the line may become, each once; None stands for its removal. No change is of blanks or comments alone."""
    code = line.split(" -- ")[0].rstrip()
    found: dict[str | None, None] = {}
    for changed in (*_swapped(code), *_numbers(code), *_shortened(code), *_renamed(code)):
        if changed.split() != code.split():
            found[changed] = None
    if _stands_alone(code):
        found[None] = None
    return list(found)


def _outside_quotes(code: str, pattern: str) -> Iterator[re.Match[str]]:
    quoted = [range(*each.span()) for each in _QUOTED.finditer(code)]
    for found in re.finditer(pattern, code):
        if not any(found.start() in each for each in quoted):
            yield found


def _swapped(code: str) -> Iterator[str]:
    for pattern, other in _SWAPS:
        for found in _outside_quotes(code, pattern):
            yield code[: found.start()] + other + code[found.end() :]


def _numbers(code: str) -> Iterator[str]:
    """A number one larger; not of a type, of an interval or of the places of a group by."""
    if re.search(r"decimal\(|varchar\(|interval|group by \d|endmacro", code):
        return
    for found in _outside_quotes(code, _NUMBER):
        yield code[: found.start()] + str(int(found.group()) + 1) + code[found.end() :]


def _shortened(code: str) -> Iterator[str]:
    """A key less in `partition by` or `order by`, or coalesce without what it falls back to."""
    if "partition by" in code or "order by" in code:
        for found in re.finditer(_DROPPED_FROM_LIST, code):
            yield code[: found.start()] + code[found.end() :]
    for found in re.finditer(r"coalesce\(([\w.]+), [^()]+\)", code):
        yield code[: found.start()] + found.group(1) + code[found.end() :]


def _renamed(code: str) -> Iterator[str]:
    """A quoted word that nothing is called; a date is left alone."""
    if "{%" in code:
        return
    for found in re.finditer(r"(?<![\w{])'([a-z_()]+)'(?! *\))|= '([a-z_()]+)'", code):
        if "ref(" not in code[: found.start()][-6:]:
            yield code[: found.end() - 1] + "_x'" + code[found.end() :]


def _stands_alone(code: str) -> bool:
    text = code.strip()
    if _FRAME.match(text) or "{%" in text or "%}" in text:
        return False
    return all(text.count(one) == text.count(other) for one, other in ("()", "{}", "[]"))
