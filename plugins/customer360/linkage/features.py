"""Profiles made comparable: one row per profile in the order of its key, values folded by their type."""

from __future__ import annotations

import csv
from typing import Any

import pyarrow as pa

from customer360.identity.names import NICKNAMES
from customer360.linkage.kinds import Kind, Layout, kind_of

# Letters that have no accent to strip.
_PLAIN = "translate(replace(replace(replace(lower({value}), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'øđłı', 'odli')"
_TEXT = f"nullif(trim(regexp_replace(strip_accents({_PLAIN}), '[^\\p{{{{L}}}}\\p{{{{N}}}}]+', ' ', 'g')), '')"
_CODE = "nullif(regexp_replace(lower({value}), '[^a-z0-9]', '', 'g'), '')"
# All digits of an international number; of another the last nine, which stand with and without a prefix.
_DIGITS = """nullif(case when starts_with(trim({value}), '+') then regexp_replace({value}, '[^0-9]', '', 'g')
    else right(regexp_replace({value}, '[^0-9]', '', 'g'), 9) end, '')"""
_DATE = """nullif(case when regexp_matches({value}, '^[0-9]{{8}}$')
    then {value}[1:4] || '-' || {value}[5:6] || '-' || {value}[7:8] else {value} end, '')"""
_FOLDS: dict[str, str] = {
    Kind.BIRTH_DATE: _DATE,
    Kind.POSTCODE: _CODE,
    Kind.NATIONAL_ID: _CODE,
    Kind.PHONE: _DIGITS,
    Kind.EMAIL: "nullif(lower(trim({value})), '')",
    Kind.MAILBOX: "nullif(lower(trim({value})), '')",
    Kind.HANDLE: "nullif(lower(trim({value})), '')",
    Kind.USER_ID: "nullif(trim({value}), '')",
    Kind.ACCOUNT_REF: "nullif(trim({value}), '')",
}
_GENERATIONS = "^(.* )?(jr|jun|junior|sr|sen|senior|ii|iii|iv)( .*)?$"


def prepare(engine: Any, profiles: pa.Table | str, layout: Layout, source: str | None = None) -> list[str]:
    """Make table `profile` in `engine` of `profiles`, a table or the name of one there; return the fields to compare.

    Columns: `row` (0, 1, … in an order that depends on keys alone and tells nothing), `key`, `source`, one text
    column per field; for names also `formals` (the given names a short form may stand for, between blanks),
    `formal` (the first of them, or the name itself), `words` (the whole name between blanks), `rest` (words neither
    given nor family name) and `generation`. Raises ValueError if a key comes twice in a source.
    """
    fields = layout.fields
    if isinstance(profiles, pa.Table):
        engine.register("given_profiles", profiles)
        profiles = "given_profiles"
    engine.register("nickname", _nicknames())
    folded = [
        f"{_FOLDS.get(kind_of(field), _TEXT).format(value=_trimmed(column))} as {field}"
        for field, column in fields.items()
    ]
    key = f'"{layout.unique_id}"::varchar'
    named_source = f'"{source}"::varchar' if source else "''"
    engine.execute(f"""
        create or replace temp table folded as
        select {key} as key, {named_source} as source, {", ".join(folded)} from {profiles}
    """)
    if engine.sql("select 1 from folded group by source, key having count(*) > 1 limit 1").fetchall():
        raise ValueError("a key is that of two profiles of one source")
    names = _names(fields)
    others = [field for field in fields if field not in ("given_name", "family_name", "full_name")]
    engine.execute(f"""
        create or replace temp table profile as
        select (row_number() over (order by md5(source || '|' || key), key) - 1)::bigint as row, key, source,
            {", ".join([*names, *others])}
        from folded
    """)
    if not names:
        return others
    engine.execute(f"""
        create or replace temp table profile as
        select p.*, coalesce(split_part(n.formals, ' ', 2), p.given_name) as formal,
            coalesce(n.formals, '') as formals,
            nullif(regexp_extract(trim(p.words), '{_GENERATIONS}', 2)[1:2], '') as generation
        from profile p left join nickname n on p.given_name = n.short order by row
    """)
    return ["given_name", "family_name", *(["rest"] if "full_name" in fields else []), *others]


def _names(fields: dict[str, str]) -> list[str]:
    """SQL of the columns that names give."""
    if not {"given_name", "family_name", "full_name"} & set(fields):
        return []
    full = "full_name" if "full_name" in fields else "null"
    given = "given_name" if "given_name" in fields else f"split_part({full}, ' ', 1)"
    family = "family_name" if "family_name" in fields else f"nullif(regexp_extract({full}, '[^ ]+$'), {full})"
    each = f"list_distinct(string_split(concat_ws(' ', {full}, {given}, {family}), ' '))"
    rest = f"list_filter(list_sort({each}), lambda w: w not in (coalesce({given}, ''), coalesce({family}, ''), ''))"
    made = [
        f"{given} as given_name",
        f"{family} as family_name",
        f"' ' || array_to_string({each}, ' ') || ' ' as words",
    ]
    return [*made, f"nullif(array_to_string({rest}, ' '), '') as rest"] if "full_name" in fields else made


def _trimmed(column: str) -> str:
    return f'trim("{column}"::varchar)'


def _nicknames() -> pa.Table:
    """(short, formals): a short form and the given names it may stand for, between blanks."""
    formals: dict[str, str] = {}
    with NICKNAMES.open(encoding="utf-8") as rows:
        for entry in csv.DictReader(rows):
            for short in entry["short_forms"].split():
                formals[short] = f"{formals.get(short, ' ')}{entry['given_name']} "
    return pa.table({"short": list(formals), "formals": list(formals.values())})
