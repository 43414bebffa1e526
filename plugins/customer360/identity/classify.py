"""Which identifiers may say that two records are one person: private ones only.

Classes: `private` (one person's), `shared` (a household's, a couple's, a family device, a number that
changed hands), `generic` (a switchboard, info@, a kiosk), `blocked` (the company's own, withheld,
placeholders, invalid). Decided anew every night, from seed lists, degree and diversity of names.
"""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from customer360.sources import OwnIdentities

CLASSES = pa.schema([("identifier_key", pa.int64()), ("identifier_class", pa.string()), ("reason", pa.string())])
SEEDS = Path(__file__).parent / "seeds"
SHARED_PERSONS = 2  # from here on an identifier is shared
GENERIC_PERSONS = 4  # from here on it is nobody's
GENERIC_RELATIVES = 8  # where all are of one name
# Callers of so many different names, each perhaps once: colleagues on one line, whoever of them holds it on record.
PASSING, PASSING_PERSONS = "passing_names", 3
# So many different addresses, numbers or log-ins seen with one value are not one person's: with a telephone, with
# anything. A browser or device with so many, on one day or in all, is a kiosk or a program: a family has fewer.
GENERIC_ADDRESSES = {"phone": 6, "any": 12}
CROWD, CROWD_OF_A_DAY = 7, 4
RECYCLED_AFTER = timedelta(days=180)  # a number silent this long between two persons has changed hands

PHONES = "i.identifier_type in ('phone', 'fax')"
BROWSERS = "i.identifier_type in ('cookie', 'device')"
_IS_OWN_EMAIL = """i.identifier_type = 'email' and (
    i.identifier_value in (select value from own_email)
    or split_part(i.identifier_value, '@', -1) in (select value from own_domain))"""
_IS_OWN_NUMBER = f"""{PHONES} and (
    i.identifier_value in (select value from own_phone) or regexp_matches(i.identifier_value, $own_numbers))"""


def _many(count: str) -> str:
    limit = f"case when {count}.is_household then {GENERIC_RELATIVES} else {GENERIC_PERSONS} end"
    return f"coalesce({count}.persons, 0) >= {limit}"


# The first rule that applies decides: (class, reason, condition on evidence).
RULES: tuple[tuple[str, str, str], ...] = (
    ("blocked", "own_address", _IS_OWN_EMAIL),
    ("blocked", "own_number", _IS_OWN_NUMBER),
    ("blocked", "invalid", "not i.is_valid"),
    ("blocked", "placeholder", "regexp_matches(i.identifier_type || ' ' || i.identifier_value, $placeholders)"),
    ("generic", "role_mailbox", "i.identifier_type = 'email' and regexp_matches(i.identifier_value, $role_mailboxes)"),
    ("generic", "crowd", "d.identifier_key is not null"),
    ("generic", "many_persons", _many("p")),
    ("generic", "many_names", _many("h")),
    (
        "generic",
        "switchboard",
        f"{PHONES} and ((i.account_record_count > 0 and p.persons >= {SHARED_PERSONS})"
        " or (i.account_record_count > 1 and coalesce(p.persons, 0) = 0))",
    ),
    (
        "generic",
        "many_addresses",
        f"not {BROWSERS} and greatest(s.emails, s.phones, s.user_ids) >="
        f" case when {PHONES} then {GENERIC_ADDRESSES['phone']} else {GENERIC_ADDRESSES['any']} end",
    ),
    ("shared", "recycled", "e.identifier_key is not null"),
    ("shared", "household", f"p.persons >= {SHARED_PERSONS} and p.is_household"),
    ("shared", "several_persons", f"p.persons >= {SHARED_PERSONS}"),
    ("shared", "household_hints", "h.is_household"),
    (
        "shared",
        "several_logins",
        "i.identifier_type in ('cookie', 'device', 'phone', 'email') and s.user_ids_of_one_source >= 2",
    ),
)
# Reasons that lie in the value itself, whoever uses it.
BY_VALUE = ("own_address", "own_number", "placeholder", "role_mailbox")


def companions(engine: Any, standing: pa.Table) -> None:
    """Make the tables `together`, `seen_with` and `crowded` in `engine`, a DuckDB connection with `identifiers` and
    `record_identifiers`.

    `standing` (as `classify`'s `classes`): what was found of identifiers of which not all records are here.
    `together` (record_key, identifier_key, source, record_kind, seen_at): those of the records that carry several.
    `seen_with` (identifier_key, emails, phones, user_ids, …): how many others. `crowded` (identifier_key): browsers
    and devices at which so many have been that what is typed there proves nothing.
    """
    engine.register("standing", standing)
    engine.execute(_SEEN_WITH)


def classify(engine: Any, own: OwnIdentities) -> None:
    """Make the tables `classes` (identifier_key, identifier_class, reason) and `era` in `engine`.

    `engine` is a DuckDB connection with `identifiers`, `record_identifiers`, what `companions` and what
    `people.People` makes. `era` (identifier_key, since): recycled numbers, and when the present holder's time began.
    """
    parameters = _parameters(engine, own)
    engine.execute(_ERAS)
    cases = "\n".join(f"when {condition} then '{found} {reason}'" for found, reason, condition in RULES)
    engine.execute(_CLASSES.format(cases=cases), parameters)
    engine.execute(
        "update classes set identifier_class = s.identifier_class, reason = s.reason from standing s"
        " where classes.identifier_key = s.identifier_key"
    )


def nobodys(engine: Any, own: OwnIdentities, values: str) -> None:
    """Make table `nobodys` (identifier_type, identifier_value) in `engine`: those of relation `values`, of the same
    columns, that link nobody whoever uses them."""
    conditions = " or ".join(f"({condition})" for _, reason, condition in RULES if reason in BY_VALUE)
    engine.execute(
        f"create or replace temp table nobodys as select i.* from {values} i where {conditions}",
        _parameters(engine, own),
    )


def _parameters(engine: Any, own: OwnIdentities) -> dict[str, str]:
    """What the conditions of RULES refer to; makes the tables of the company's own addresses."""
    for name, values in (("own_domain", own.domains), ("own_email", own.emails), ("own_phone", own.phones)):
        engine.register(name, pa.table({"value": pa.array(sorted(values), pa.string())}))
    return {
        "own_numbers": _any_of("^" + re.escape(prefix) for prefix in own.phone_prefixes),
        "placeholders": placeholder_pattern(),
        "role_mailboxes": role_mailbox_pattern(),
    }


def role_mailbox_pattern() -> str:
    """RE2 pattern of addresses that belong to a role: info@, info2@, info+x@, sales.berlin@."""
    with (SEEDS / "generic_local_parts.csv").open(encoding="utf-8") as rows:
        listed = [(re.escape(row["local_part"]), row["also_as_prefix"] == "true") for row in csv.DictReader(rows)]
    whole, prefix = "|".join(part for part, _ in listed), "|".join(part for part, also in listed if also)
    return rf"^(?:(?:{whole})[0-9]*(?:\+[^@]*)?|(?:{prefix})[._-][^@]*)@"


def placeholder_pattern() -> str:
    """RE2 pattern of '<identifier type> <value>' for values that people type to have typed something."""
    with (SEEDS / "placeholders.csv").open(encoding="utf-8") as rows:
        found = [(row["identifier_type"], row["pattern"]) for row in csv.DictReader(rows)]
    return _any_of(f"^{kind} {_unanchored(pattern)}" for kind, pattern in found)


def _unanchored(pattern: str) -> str:
    """`pattern`, which may begin with ^, for the middle of a text."""
    return pattern[1:] if pattern.startswith("^") else f".*{pattern}"


def _any_of(patterns: Any) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns) or r"[^\s\S]"


# A gap in a number's use with the names of its contact records all before or all after it. A family's line
# stays the family's, however long it was silent between two of them.
_ERAS = f"""
    create or replace temp table era as
    with several as (
        select p.identifier_key from person_count p
        join identifiers i on p.identifier_key = i.identifier_key and {PHONES}
        where p.persons >= {SHARED_PERSONS} and not p.is_household
    ),
    used as (
        select identifier_key, seen_at, lag(seen_at) over (partition by identifier_key order by seen_at) as before
        from (
            select distinct r.identifier_key, r.seen_at
            from record_identifiers r join several using (identifier_key) where r.seen_at is not null
        )
    ),
    gaps as (
        select identifier_key, before, seen_at as since from used
        where seen_at - before >= interval {RECYCLED_AFTER.days} days
    ),
    holders as (
        select p.identifier_key, p.person, min(r.seen_at) as first_at, max(r.seen_at) as last_at
        from person_of p
        join gaps g using (identifier_key)
        join record_spelling s using (name_id)
        join record_identifiers r on s.record_key = r.record_key and p.identifier_key = r.identifier_key
        group by 1, 2
    )
    select identifier_key, max(since) as since from (
        select g.identifier_key, g.since
        from gaps g join holders h using (identifier_key)
        group by g.identifier_key, g.before, g.since
        having bool_and(h.last_at <= g.before or h.first_at >= g.since)
            and bool_or(h.last_at <= g.before) and bool_or(h.first_at >= g.since)
    ) group by 1
"""
# What is seen together on a record; few records carry several identifiers.
_SEEN_WITH = f"""
    create or replace temp table together as
    select r.record_key, r.identifier_key, hash(r.source) as source, r.record_kind, r.seen_at
    from record_identifiers r
    join (select record_key from record_identifiers group by 1 having count(*) > 1) using (record_key);
    create or replace temp table telling as
    select t.record_key, t.identifier_key, i.identifier_type,
        hash(t.source || regexp_replace(i.identifier_value, '[^:]*$', '')) as source
    from together t join identifiers i on t.identifier_key = i.identifier_key
        and i.identifier_type in ('email', 'phone', 'user_id') and i.is_valid;
    create or replace temp table seen_with as
    with pairs as (
        select t.identifier_key, o.identifier_key as other_key, any_value(o.identifier_type) as other_type
        from together t
        join telling o on t.record_key = o.record_key and t.identifier_key <> o.identifier_key
        group by 1, 2
    ),
    counts as (
        select identifier_key,
            count(*) filter (where other_type = 'email') as emails,
            count(*) filter (where other_type = 'phone') as phones,
            count(*) filter (where other_type = 'user_id') as user_ids
        from pairs group by 1
    ),
    by_source as (
        select t.identifier_key, o.source, count(distinct o.identifier_key) as user_ids
        from counts c
        join together t using (identifier_key)
        join telling o on t.record_key = o.record_key and t.identifier_key <> o.identifier_key
        where c.user_ids > 1 and o.identifier_type = 'user_id'
        group by 1, 2
    )
    select c.*, coalesce(s.user_ids, least(c.user_ids, 1)) as user_ids_of_one_source
    from counts c
    left join (select identifier_key, max(user_ids) as user_ids from by_source group by 1) s using (identifier_key);
    create or replace temp table crowded as
    with busy as (
        select identifier_key, greatest(emails, phones, user_ids) as others
        from seen_with s join identifiers i using (identifier_key)
        where {BROWSERS} and greatest(emails, phones, user_ids) >= {CROWD_OF_A_DAY}
    ),
    of_a_day as (
        select b.identifier_key
        from busy b
        join together t using (identifier_key)
        join telling o on t.record_key = o.record_key and t.identifier_key <> o.identifier_key
        group by b.identifier_key, o.identifier_type, date_trunc('day', t.seen_at)
        having count(distinct o.identifier_key) >= {CROWD_OF_A_DAY}
    )
    select identifier_key from busy where others >= {CROWD}
    union select identifier_key from of_a_day
    union select identifier_key from standing where reason = 'crowd'
"""
_CLASSES = """
    create or replace temp table classes as
    select identifier_key, split_part(verdict, ' ', 1) as identifier_class, split_part(verdict, ' ', 2) as reason
    from (
        select i.identifier_key, case {cases} else 'private one_person' end as verdict
        from identifiers i
        left join person_count p using (identifier_key)
        left join hint_count h using (identifier_key)
        left join seen_with s using (identifier_key)
        left join era e using (identifier_key)
        left join crowded d using (identifier_key)
    )
"""
