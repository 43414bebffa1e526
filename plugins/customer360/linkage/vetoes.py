"""What likeness cannot overrule: pairs that are two persons however alike, by data type."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer360.linkage.kinds import Veto
from customer360.linkage.model import Ints

_ALIKE = """(coalesce(l.formal = r.formal, false) or coalesce(l.given_name = r.family_name, false)
    or coalesce(jaro_winkler_similarity(l.given_name, r.given_name) >= 0.8, false))"""
_SAME_ID = "coalesce(l.national_id = r.national_id, false)"
# Numbers given out one after the other, as to twins, also differ by one digit.
_ID_SLIP = """coalesce(damerau_levenshtein(l.national_id, r.national_id) = 1
    and coalesce(abs(try_cast(l.national_id as bigint) - try_cast(r.national_id as bigint)) > 20, true), false)"""
_SAME_EMAIL = "coalesce(l.email = r.email, false)"
_DATES = """
    try_cast(l.birth_date as date) is not null and try_cast(r.birth_date as date) is not null
    and damerau_levenshtein(l.birth_date, r.birth_date) > 2
    and not (l.birth_date[1:4] = r.birth_date[1:4]
        and (l.birth_date[6:7] = r.birth_date[9:10] and l.birth_date[9:10] = r.birth_date[6:7]
            or l.birth_date[6:] = '01-01' or r.birth_date[6:] = '01-01'))
"""
_TWINS = """
    l.birth_date = r.birth_date and l.family_name = r.family_name and l.formal <> r.formal
    and length(l.given_name) > 1 and length(r.given_name) > 1
    and jaro_winkler_similarity(l.given_name, r.given_name) < 0.7
    and not contains(l.words, ' ' || r.given_name || ' ') and not contains(r.words, ' ' || l.given_name || ' ')
"""
# What people of one household share. Without any of it, twins are not told from a second given name.
_HOUSEHOLD = ("address_line", "address_line2", "phone", "email")


def condition(fields: Collection[str], declared: Collection[Veto]) -> str:
    """SQL of a veto of the `declared` kinds between `l` and `r`, profiles that have `fields`."""
    made = {
        Veto.USER_ID: _differ("user_id", fields),
        Veto.ACCOUNT_REF: _differ("account_ref", fields),
        Veto.GENERATION: "l.generation <> r.generation" if "given_name" in fields else "",
        Veto.BIRTH_DATE: _dates(fields),
        Veto.TWINS: _twins(fields),
    }
    return " or ".join(f"coalesce({made[each]}, false)" for each in sorted(declared) if made[each]) or "false"


def vetoed(
    engine: Any, left: Ints, right: Ints, fields: Sequence[str], declared: Collection[Veto]
) -> npt.NDArray[np.bool_]:
    """Whether each pair of rows of `profile` is certainly two persons."""
    engine.register("asked", pa.table({"place": np.arange(len(left)), "l": left, "r": right}))
    places = engine.sql(f"""
        select place from asked join profile l on asked.l = l.row join profile r on asked.r = r.row
        where {condition(fields, declared)}
    """).to_arrow_table()
    found = np.zeros(len(left), bool)
    found[places["place"].to_numpy()] = True
    return found


def _differ(field: str, fields: Collection[str]) -> str:
    return f"l.{field} <> r.{field}" if field in fields else ""


def _dates(fields: Collection[str]) -> str:
    """Dates no slip explains, unless an identifier says that one of them is simply wrong."""
    if "birth_date" not in fields:
        return ""
    known = []
    if "national_id" in fields:
        known += [_SAME_ID, f"({_ID_SLIP} and {_ALIKE})"] if "given_name" in fields else [_SAME_ID]
    if {"email", "given_name"} <= set(fields):
        known.append(f"({_SAME_EMAIL} and {_ALIKE})")
    return f"({_DATES}) and not ({' or '.join(known) or 'false'})"


def _twins(fields: Collection[str]) -> str:
    """Born the same day into one family and household, called differently."""
    household = [f"coalesce(l.{field} = r.{field}, false)" for field in _HOUSEHOLD if field in fields]
    if not household or not {"birth_date", "given_name"} <= set(fields):
        return ""
    known = f"{_SAME_ID} or {_ID_SLIP}" if "national_id" in fields else "false"
    return f"({_TWINS}) and ({' or '.join(household)}) and not ({known})"
