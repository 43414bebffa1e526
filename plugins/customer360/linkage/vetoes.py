"""What likeness cannot overrule: pairs that are two persons however alike, by data type."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from customer360.linkage.compare import SAME_GIVEN
from customer360.linkage.kinds import Veto
from customer360.linkage.model import Ints
from customer360.linkage.score import ask

_ALIKE = f"""(coalesce({SAME_GIVEN}, false) or coalesce(l.given_name = r.family_name, false)
    or coalesce(jaro_winkler_similarity(l.given_name, r.given_name) >= 0.8, false))"""
_SAME_ID = "coalesce(l.national_id = r.national_id, false)"
# Numbers given out one after the other, as to twins, also differ by one digit.
_ID_SLIP = """coalesce(damerau_levenshtein(l.national_id, r.national_id) = 1
    and coalesce(abs(try_cast(l.national_id as bigint) - try_cast(r.national_id as bigint)) > 20, true), false)"""
# Dates {x} and {y} that no slip explains.
_DATES = """
    try_cast({x} as date) is not null and try_cast({y} as date) is not null
    and damerau_levenshtein({x}, {y}) > 2
    and not ({x}[1:4] = {y}[1:4]
        and ({x}[6:7] = {y}[9:10] and {x}[9:10] = {y}[6:7] or {x}[6:] = '01-01' or {y}[6:] = '01-01'))
"""
_TWINS = f"""
    l.birth_date = r.birth_date and l.family_name = r.family_name and not ({SAME_GIVEN})
    and length(l.given_name) > 1 and length(r.given_name) > 1
    and jaro_winkler_similarity(l.given_name, r.given_name) < 0.7
    and not contains(l.words, ' ' || r.given_name || ' ') and not contains(r.words, ' ' || l.given_name || ' ')
"""
_MOST = 40  # profiles with one identifier; more share a placeholder
# What people of one household share. Without any of it, twins are not told from a second given name.
_HOUSEHOLD = ("address_line", "address_line2", "phone", "email", "mailbox")


def conditions(fields: Collection[str], declared: Collection[Veto]) -> dict[Veto, str]:
    """SQL of each veto of the `declared` kinds between `l` and `r`, profiles that have `fields`."""
    made = {
        Veto.USER_ID: _differ("user_id", fields),
        Veto.ACCOUNT_REF: _differ("account_ref", fields),
        Veto.GENERATION: "l.generation <> r.generation" if "given_name" in fields else "",
        Veto.BIRTH_DATE: _dates(fields),
        Veto.TWINS: _twins(fields),
    }
    return {each: made[each] for each in sorted(declared) if made[each]}


def prepare(engine: Any, fields: Collection[str]) -> None:
    """Make table `known_date` (row, birth_date) in `engine`: what profiles with one identifier say of a person's
    birth date, theirs and each other's. One of several that differ is no reason to part them from a third."""
    engine.execute("create or replace temp table known_date (row bigint, birth_date varchar)")
    if "birth_date" not in fields:
        return
    shown = ["select row, birth_date from profile where birth_date is not null"]
    for field in ("national_id", "email"):
        if {field, "given_name"} <= set(fields):
            shown.append(f"""
                select l.row, r.birth_date from profile l join profile r on l.{field} = r.{field} and l.row <> r.row
                where r.birth_date is not null and {_ALIKE} and l.{field} in (
                    select {field} from profile group by 1 having count(*) between 2 and {_MOST})
            """)
    engine.execute(f"insert into known_date {' union '.join(shown)}")


def vetoed(
    engine: Any, left: Ints, right: Ints, fields: Sequence[str], declared: Collection[Veto]
) -> npt.NDArray[np.bool_]:
    """Whether each pair of rows of `profile` is certainly two persons."""
    found = np.zeros(len(left), bool)
    for veto, condition in conditions(fields, declared).items():
        stands = _meeting(engine, left, right, condition)
        if veto is Veto.BIRTH_DATE:
            stands = stands[~_contested(engine, left[stands], right[stands])]
        found[stands] = True
    return found


def standing(engine: Any, fields: Sequence[str], declared: Collection[Veto]) -> list[str]:
    """Names of the vetoes that part the first two rows of `profile`."""
    pair = np.array([0]), np.array([1])
    return [str(veto) for veto in sorted(declared) if vetoed(engine, *pair, fields, {veto}).any()]


def _meeting(engine: Any, left: Ints, right: Ints, condition: str) -> Ints:
    """Places of the pairs that meet `condition`."""
    ask(engine, left, right)
    found = engine.sql(f"""
        select place from asked join profile l on asked.l = l.row join profile r on asked.r = r.row where {condition}
    """).to_arrow_table()
    return np.asarray(found["place"].to_numpy(), dtype=np.int64)


def _contested(engine: Any, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
    """Which pairs have dates in `known_date` that do go together."""
    ask(engine, left, right)
    places = engine.sql(f"""
        select distinct place from asked join known_date x on asked.l = x.row join known_date y on asked.r = y.row
        where not ({_DATES.format(x="x.birth_date", y="y.birth_date")})
    """).to_arrow_table()
    found = np.zeros(len(left), bool)
    found[places["place"].to_numpy()] = True
    return found


def _differ(field: str, fields: Collection[str]) -> str:
    return f"l.{field} <> r.{field}" if field in fields else ""


def _dates(fields: Collection[str]) -> str:
    """Dates no slip explains, unless an id says that one is wrong; for what other profiles say see `prepare`."""
    if "birth_date" not in fields:
        return ""
    known = [_SAME_ID] if "national_id" in fields else ["false"]
    if {"national_id", "given_name"} <= set(fields):
        known.append(f"({_ID_SLIP} and {_ALIKE})")
    return f"({_DATES.format(x='l.birth_date', y='r.birth_date')}) and not ({' or '.join(known)})"


def _twins(fields: Collection[str]) -> str:
    """Born the same day into one family and household, called differently."""
    household = [f"coalesce(l.{field} = r.{field}, false)" for field in _HOUSEHOLD if field in fields]
    if not household or not {"birth_date", "given_name"} <= set(fields):
        return ""
    known = f"{_SAME_ID} or {_ID_SLIP}" if "national_id" in fields else "false"
    return f"({_TWINS}) and ({' or '.join(household)}) and not ({known})"
