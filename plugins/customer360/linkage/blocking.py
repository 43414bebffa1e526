"""Candidate pairs: profiles that agree on one of several keys, each made of parts of two or three fields."""

from __future__ import annotations

from itertools import combinations
from typing import Any

MOST = 60  # profiles that share a key; a value more common than that says nothing alone

# Parts of fields that keys are made of: what one slip in the other fields leaves whole.
_PARTS = {
    "given_name": "formal",
    "family_name": "family_name",
    "birth_date": "birth_date",
    "postcode": "postcode",
    "locality": "locality",
    "address_line": "address_line",
    "address_line2": "address_line2",
}
_ALONE = ("email", "mailbox", "handle", "phone", "national_id", "user_id", "account_ref")


def keys(fields: list[str]) -> dict[str, tuple[str, ...]]:
    """{SQL of a key: fields it is made of}."""
    found: dict[str, tuple[str, ...]] = {}
    parts = [(field, part) for field, part in _PARTS.items() if field in fields]
    for (a, x), (b, y) in combinations(parts, 2):
        found[f"{x} || '|' || {y}"] = (a, b)
    if "birth_date" in fields and "family_name" in fields:
        found["given_name[1:2] || '|' || family_name[1:3] || '|' || birth_date[1:4]"] = (
            "given_name",
            "family_name",
            "birth_date",
        )
        found["family_name[1:4] || '|' || birth_date[6:10]"] = ("family_name", "birth_date")
        found["given_name[1:3] || '|' || birth_date[3:10]"] = ("given_name", "birth_date")
        found["family_name || '|' || given_name || '|' || birth_date"] = ("given_name", "family_name", "birth_date")
        found["given_name || '|' || family_name[1:2] || '|' || birth_date[1:3]"] = (
            "given_name",
            "family_name",
            "birth_date",
        )
    for field in _ALONE:
        if field in fields:
            found[field] = (field,)
    if "email" in fields:
        found["split_part(email, '@', 1)"] = ("email",)
    return found


def block(
    engine: Any,
    fields: list[str],
    *,
    across: str | None = None,
    most: int = MOST,
    others: str | None = None,
) -> list[tuple[str, ...]]:
    """Make table `pair` (l < r: rows of `profile`; rules: bit mask of the keys that agree) of profiles that share a
    key with at most `most`, those of relation `others` included, which are in no pair. `across`: a column that has to
    differ. Returns the fields of each key, the lowest bit's first."""
    rules = keys(fields)
    parts = []
    sides, differ = ("", "") if across is None else (f", {across}", f" and l.{across} <> r.{across}")
    for number, key in enumerate(rules):
        engine.execute(f"""
            create or replace temp table key{number} as
            with keyed as (select {key} as k, row{sides} from profile where {key} is not null),
            shared as (
                select k, count(*) as n from keyed group by k
                having count(*) between 2 and {most} {f"and min({across}) <> max({across})" if across else ""}
            )
            select * from keyed join shared using (k)
        """)
        if others:
            engine.execute(f"""
                delete from key{number} where k in (
                    with other as (
                        select k, count(*) as n
                        from (select {key} as k from {others}) where k in (select k from key{number}) group by 1
                    )
                    select k from key{number} own join other using (k) where own.n + other.n > {most}
                )
            """)
        parts.append(
            f"select l.row as l, r.row as r, {1 << number}::bigint as rule"
            f" from key{number} l join key{number} r on l.k = r.k and l.row < r.row{differ}"
        )
    engine.execute(f"""
        create or replace temp table pair as
        select l, r, bit_or(rule) as rules from ({" union all ".join(parts)}) group by all
    """)
    return list(rules.values())
