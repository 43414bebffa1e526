"""Comparisons by data type: SQL that puts a pair of profiles (`l`, `r`) into levels, 0 the least alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customer360.linkage.kinds import Kind, kind_of

_EQUAL = "{l} = {r}"
_ONE_SLIP = "damerau_levenshtein({l}, {r}) <= 1"
_TWO_SLIPS = "damerau_levenshtein({l}, {r}) = 2"
_NAME_SLIP = (
    "(damerau_levenshtein({l}, {r}) <= 1 and least(length({l}), length({r})) > 3)"
    " or jaro_winkler_similarity({l}, {r}) >= 0.93"
)
# One name, or one a short form of the other.
SAME_GIVEN = (
    "l.formal = r.formal or contains(l.formals, ' ' || r.given_name || ' ')"
    " or contains(r.formals, ' ' || l.given_name || ' ')"
)
_SWAPPED = "l.given_name = r.family_name and l.family_name = r.given_name"
_ELSEWHERE = "contains(l.words, ' ' || {r} || ' ') or contains(r.words, ' ' || {l} || ' ')"
_YEAR = "{l}[1:4] = {r}[1:4]"
_DAY_MONTH = "(" + _YEAR + " and {l}[6:7] = {r}[9:10] and {l}[9:10] = {r}[6:7])"


def _alike(at: float) -> str:
    return f"jaro_winkler_similarity({{l}}, {{r}}) >= {at}"


# Conditions by type, most alike first; whatever meets none is level 0.
_LEVELS: dict[str, tuple[str, ...]] = {
    Kind.GIVEN_NAME: (
        _EQUAL,
        _SWAPPED,
        SAME_GIVEN,
        _NAME_SLIP,
        "starts_with({l}, {r}) or starts_with({r}, {l})",
        _alike(0.8),
        _ELSEWHERE,
    ),
    Kind.FAMILY_NAME: (_EQUAL, _SWAPPED, _NAME_SLIP, _ELSEWHERE, _alike(0.8)),
    "rest": (_EQUAL, "list_has_any(string_split({l}, ' '), string_split({r}, ' '))", _alike(0.85)),
    Kind.BIRTH_DATE: (_EQUAL, f"{_ONE_SLIP} or {_DAY_MONTH}", _TWO_SLIPS, _YEAR),
    Kind.POSTCODE: (
        _EQUAL,
        _ONE_SLIP,
        "{l}[1:length({l}) - 2] = {r}[1:length({r}) - 2]",
        "{l}[1:2] = {r}[1:2]",
    ),
    Kind.LOCALITY: (_EQUAL, f"{_alike(0.9)} or contains({{l}}, {{r}}) or contains({{r}}, {{l}})"),
    Kind.ADDRESS_LINE: (_EQUAL, _alike(0.92), _alike(0.8)),
    Kind.STREET_NUMBER: (_EQUAL, _ONE_SLIP),
    Kind.EMAIL: (_EQUAL, "split_part({l}, '@', 1) = split_part({r}, '@', 1)", _alike(0.92), _alike(0.8)),
    Kind.MAILBOX: (_EQUAL,),
    Kind.HANDLE: (_EQUAL, _alike(0.92)),
    Kind.PHONE: (_EQUAL, _ONE_SLIP, _TWO_SLIPS),
    Kind.NATIONAL_ID: (_EQUAL, _ONE_SLIP, _TWO_SLIPS),
    Kind.OCCUPATION: (_EQUAL, _alike(0.9)),
    Kind.ORGANISATION: (_EQUAL, _alike(0.9)),
    Kind.REGION: (_EQUAL,),
    Kind.GENDER: (_EQUAL,),
    Kind.USER_ID: (_EQUAL,),
    Kind.ACCOUNT_REF: (_EQUAL,),
}
# Who lives in a town has its postcode: these count as one observation.
_PLACE = frozenset({Kind.POSTCODE, Kind.LOCALITY, Kind.REGION})


@dataclass(frozen=True, slots=True)
class Comparison:
    """`levels` are SQL conditions, most alike first; the first is of equal values, whose weight depends on how
    frequent the value is. Comparisons of one `group` are not independent of each other."""

    field: str
    group: str
    levels: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of levels; missing values are one more."""
        return len(self.levels) + 1

    def sql(self) -> str:
        """CASE of the level: `size` where a value is missing."""
        cases = " ".join(f"when {levels} then {len(self.levels) - at}" for at, levels in enumerate(self.levels))
        missing = f"l.{self.field} is null or r.{self.field} is null"
        return f"(case when {missing} then {self.size} {cases} else 0 end)::utinyint"


def comparisons(fields: Sequence[str]) -> list[Comparison]:
    """What to compare in profiles that have `fields`."""
    return [_of(field) for field in fields]


def _of(field: str) -> Comparison:
    kind = kind_of(field)
    levels = tuple(level.format(l=f"l.{field}", r=f"r.{field}") for level in _LEVELS[kind])
    return Comparison(field, "place" if kind in _PLACE else field, levels)
