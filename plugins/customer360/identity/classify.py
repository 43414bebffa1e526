"""Which identifiers may say that two records are one person: private ones only.

Classes: `private` (one person's), `shared` (a household's, a couple's, a family device), `generic`
(a switchboard, info@, a kiosk), `blocked` (the company's own, withheld, placeholders, invalid).
Decided anew every night, from degree, diversity of names and seed lists.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from customer360.identity import names
from customer360.sources import OwnIdentities

SEEDS = Path(__file__).parent / "seeds"
SHARED_PERSONS = 2  # from here on an identifier is shared
GENERIC_PERSONS = 4  # from here on it is nobody's
GENERIC_ADDRESSES = 4  # different e-mail addresses seen with one cookie or device


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one identifier. Counts are of distinct things."""

    identifier_type: str
    value: str
    is_valid: bool
    persons: int  # different persons named with it in contact records
    accounts: int  # account records that carry it
    emails: int  # e-mail addresses on the same records
    user_ids: int  # log-ins on the same records


def classify(evidence: Evidence, own: OwnIdentities) -> tuple[str, str]:
    """(class, reason) of an identifier; the first rule that applies decides."""
    return _blocked(evidence, own) or _generic(evidence) or _shared(evidence) or ("private", "one_person")


def _blocked(evidence: Evidence, own: OwnIdentities) -> tuple[str, str] | None:
    kind, value = evidence.identifier_type, evidence.value
    if kind == "email" and own.owns_email(value):
        return "blocked", "own_address"
    if kind in {"phone", "fax"} and own.owns_phone(value):
        return "blocked", "own_number"
    if not evidence.is_valid:
        return "blocked", "invalid"
    if _placeholder(kind, value):
        return "blocked", "placeholder"
    return None


def _generic(evidence: Evidence) -> tuple[str, str] | None:
    kind = evidence.identifier_type
    if kind == "email" and _role_mailbox(evidence.value):
        return "generic", "role_mailbox"
    if evidence.persons >= GENERIC_PERSONS:
        return "generic", "many_persons"
    if kind in {"phone", "fax"} and evidence.accounts and evidence.persons >= SHARED_PERSONS:
        return "generic", "switchboard"
    if kind in {"cookie", "device"} and max(evidence.emails, evidence.user_ids) >= GENERIC_ADDRESSES:
        return "generic", "many_addresses"
    return None


def _shared(evidence: Evidence) -> tuple[str, str] | None:
    if evidence.persons >= SHARED_PERSONS:
        return "shared", "several_persons"
    if evidence.identifier_type in {"cookie", "device", "phone", "email"} and evidence.user_ids >= 2:
        return "shared", "several_logins"
    return None


@lru_cache(maxsize=1)
def _role_mailboxes() -> frozenset[str]:
    with (SEEDS / "generic_local_parts.csv").open(encoding="utf-8") as rows:
        return frozenset(row["local_part"] for row in csv.DictReader(rows))


def _role_mailbox(address: str) -> bool:
    local = address.rpartition("@")[0].partition("+")[0]
    return local in _role_mailboxes() or local.rstrip("0123456789") in _role_mailboxes()


@lru_cache(maxsize=1)
def _placeholders() -> dict[str, re.Pattern[str]]:
    patterns: dict[str, list[str]] = {}
    with (SEEDS / "placeholders.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            patterns.setdefault(row["identifier_type"], []).append(f"(?:{row['pattern']})")
    return {kind: re.compile("|".join(found)) for kind, found in patterns.items()}


def _placeholder(kind: str, value: str) -> bool:
    pattern = _placeholders().get(kind)
    return pattern is not None and pattern.search(value) is not None


def classify_all(engine: Any, own: OwnIdentities) -> pa.Table:
    """Class of every identifier: (identifier_key, identifier_class, reason).

    `engine` is a DuckDB connection with the tables `identifiers`, `record_identifiers`, `record_names`.
    Names are only sorted out for identifiers that carry more than one.
    """
    engine.execute(
        """
        create or replace temp table named as
        select r.identifier_key, n.name
        from record_identifiers r
        join (
            select record_key, coalesce(full_name, concat_ws(' ', given_name, family_name)) as name
            from record_names where record_kind <> 'interaction' and record_kind <> 'account'
        ) n using (record_key)
        where n.name is not null and n.name <> ''
        group by all
        """
    )
    several = engine.sql(
        "select identifier_key, list(name order by name) as names from named group by 1 having count(*) > 1"
    ).to_arrow_table()
    counted = [names.persons(map(names.fold, each)) for each in several.column("names").to_pylist()]
    engine.register(
        "person_counts",
        pa.table({"identifier_key": several.column("identifier_key"), "persons": pa.array(counted, pa.int64())}),
    )
    engine.execute(_EVIDENCE)
    # Nearly all identifiers are of one person: only those with anything unusual are judged one by one.
    rows = engine.sql("select * from evidence").to_arrow_table()
    columns = [rows.column(name).to_pylist() for name in rows.column_names]
    classes: list[str] = []
    reasons: list[str] = []
    for _, *evidence in zip(*columns, strict=True):
        found, reason = classify(Evidence(*evidence), own)
        classes.append(found)
        reasons.append(reason)
    return pa.table(
        {
            "identifier_key": rows.column("identifier_key"),
            "identifier_class": pa.array(classes, pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
    )


_EVIDENCE = """
    create or replace temp table evidence as
    with seen_with as (
        select a.identifier_key,
            count(distinct b.identifier_key) filter (where i.identifier_type = 'email') as emails,
            count(distinct b.identifier_key) filter (where i.identifier_type = 'user_id') as user_ids
        from record_identifiers a
        join record_identifiers b on a.record_key = b.record_key and a.identifier_key <> b.identifier_key
        join identifiers i on b.identifier_key = i.identifier_key and i.identifier_type in ('email', 'user_id')
        group by 1
    )
    select i.identifier_key, i.identifier_type, i.identifier_value, i.is_valid,
        coalesce(p.persons, case when i.person_record_count > 0 then 1 else 0 end)::bigint as persons,
        i.account_record_count::bigint as accounts,
        coalesce(s.emails, 0)::bigint as emails,
        coalesce(s.user_ids, 0)::bigint as user_ids
    from identifiers i
    left join person_counts p using (identifier_key)
    left join seen_with s using (identifier_key)
    order by i.identifier_key
"""
