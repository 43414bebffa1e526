"""Names, folded for comparison: how many different persons do a few names stand for?

Made for short lists (the names that use one telephone number), where the question is not who somebody
is but whether 'J. Smith', 'Smith, John' and 'Jon Smith' are one person and 'Mary Smith' is another.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

_TITLES = frozenset(
    "mr mrs ms miss dr prof herr frau fr hr sir dipl ing mag jr sr ii iii llc gmbh ag ltd inc co kg".split()
)
_LETTERS = {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ł": "l", "ı": "i", "þ": "th"}
_UMLAUTS = (("ae", "a"), ("oe", "o"), ("ue", "u"))
MANY = 12  # this many different names are never sorted out: they are many persons


@lru_cache(maxsize=1 << 18)
def fold(name: str) -> tuple[str, ...]:
    """Tokens of a name: lower case, without marks, titles and punctuation, sorted.

    'Müller', 'Mueller' and 'Muller' are one token; so that they meet, 'ue' loses its 'e' everywhere.
    """
    text = "".join(_LETTERS.get(char, char) for char in name.lower())
    text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    for written, plain in _UMLAUTS:
        text = text.replace(written, plain)
    tokens = re.findall(r"[^\W\d_]+", text)
    return tuple(sorted(token for token in tokens if token not in _TITLES))


def persons(names: Iterable[tuple[str, ...]]) -> int:
    """Number of different persons behind folded names; names without tokens do not count."""
    distinct = sorted({name for name in names if name})
    if len(distinct) > MANY:
        return len(distinct)
    groups: list[list[tuple[str, ...]]] = []
    for name in sorted(distinct, key=lambda each: (-len(each), -sum(map(len, each)), each)):
        fits = [group for group in groups if any(same_person(name, other) for other in group)]
        if not fits:
            groups.append([name])
        else:
            fits[0].append(name)
    return len(groups)


def same_person(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two folded names can be one person: every token of the shorter has its like in the other."""
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    left = list(long)
    for token in sorted(short, key=len, reverse=True):
        match = next((other for other in left if _alike(token, other)), None)
        if match is None:
            return False
        left.remove(match)
    return bool(short)


def _alike(a: str, b: str) -> bool:
    if a == b:
        return True
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    if len(short) == 1 or (len(short) >= 3 and long.startswith(short)):
        return long.startswith(short)
    return min(len(a), len(b)) >= 4 and _one_edit(short, long)


def _one_edit(short: str, long: str) -> bool:
    """At most one letter inserted, removed, changed, or two neighbours swapped."""
    if len(long) - len(short) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(long) > len(short):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2][::-1] == long[at : at + 2] and short[at + 2 :] == long[at + 2 :]
    return swapped or short[at + 1 :] == long[at + 1 :]
