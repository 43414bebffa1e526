"""Carriers: telephones, browsers and devices. Are all who used one the same person?

What was seen together without its help (log-ins, addresses, customer numbers) is an identity. Several identities on
one carrier are several persons where their names, claims or addresses say so, or each has nearly all that a person
has; on a telephone also where one follows the other after a rest, as a number does that is given away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple

import pyarrow as pa

from customer360.identity import claims, names
from customer360.identity.classify import BROWSERS, PASSING, PASSING_PERSONS, PHONES
from customer360.identity.graph import components
from customer360.identity.people import FACT, HINT, People, Spelled

NUMBER_RESTS = timedelta(days=28)  # an operator leaves a number alone so long before it gives it away
FULL = 2  # identities that differ in so many kinds of what a person has are no halves of one
HOLDERS = 3  # a number or device has so many one after the other; more that come and go share a line
FIRM = 2  # callers that a line's own firm counts for: whoever is there may have called
MANY = 12  # identities from here on are several persons without a look at each

_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Identity:
    """What is known of one: names, {system: claims}, words of its addresses' local parts, its telephones."""

    spelled: list[Spelled] = field(default_factory=list)
    claims: dict[int, set[int]] = field(default_factory=dict)
    addresses: list[tuple[str, ...]] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)

    def differs_in(self, other: Identity) -> int:
        """In how many kinds both have something, and not the same."""
        both = [(self.claims, other.claims), (self.addresses, other.addresses)]
        if self.numbers.isdisjoint(other.numbers):
            both.append((self.numbers, other.numbers))
        return sum(bool(one and another) for one, another in both)


class Span(NamedTuple):
    """An identity's uses of a carrier. `is_stated`: a contact record says that it is theirs. `typed`: the only record,
    if somebody typed a customer number during a call and nothing else on it says who called."""

    identity: int
    first_at: datetime
    last_at: datetime
    uses: int
    is_stated: bool
    typed: int | None


def part(engine: Any, people: People) -> None:
    """Let `classes` say shared of carriers that several persons used; make table `slip` (record_key, identifier_key):
    what is on a record and says nothing of who it is of. That is a customer number typed wrong during a call, or a
    telephone that somebody else lent for one. `hint_count.others` becomes FIRM of lines that show a firm.

    `engine` is a DuckDB connection with the inputs, `classes`, `together` and what `People` and `claims.find` make.
    """
    engine.execute(_STRONG)
    ties = engine.sql("from strong_tie").to_arrow_table()
    node, identity = components(ties.column("tie").to_numpy(), ties.column("node").to_numpy())
    engine.register("strong_component", pa.table({"node": pa.array(node), "identity": pa.array(identity)}))
    engine.execute(_SPANS)
    rows = engine.sql("select identifier_key, is_number, spans from carried order by identifier_key").fetchall()
    known = _known(engine)
    people.read([name_id for each in known.values() for name_id, _ in each.spelled])
    claimed = {node for each in known.values() for nodes in each.claims.values() for node in nodes}
    one = claims.one_claims(engine, claimed)
    parted: list[tuple[int, str]] = []
    shown = _shown(engine, people)
    slips = _misnamed(people, shown)
    lent: set[tuple[int, int]] = set()
    for key, is_number, found in rows:
        reason, odd = _judged(people, known, one, sorted(Span(*span) for span in found), is_number)
        for record in odd:
            if record in shown and record not in slips:
                lent.add((record, key))
            else:
                slips.add(record)
        if reason:
            parted.append((key, reason))
    keys, reasons = zip(*parted, strict=True) if parted else ((), ())
    table = pa.table({"identifier_key": pa.array(keys, pa.int64()), "reason": pa.array(reasons, pa.string())})
    engine.register("parted_carrier", table)
    engine.register("mistyped", pa.table({"record_key": pa.array(sorted(slips), pa.int64())}))
    records, carriers = zip(*sorted(lent), strict=True) if lent else ((), ())
    engine.register(
        "lent",
        pa.table({"record_key": pa.array(records, pa.int64()), "identifier_key": pa.array(carriers, pa.int64())}),
    )
    engine.execute(_SLIPS)
    engine.execute(
        "update classes set identifier_class = 'shared', reason = p.reason from parted_carrier p"
        " where classes.identifier_key = p.identifier_key"
    )
    rows = engine.sql(_FIRMS).fetchall()
    people.read([name_id for *_, name_ids in rows for name_id in name_ids])
    firms = [key for key, texts, name_ids in rows if _shows_firm(people, key, texts, name_ids)]
    engine.register("firms_line", pa.table({"identifier_key": pa.array(firms, pa.int64())}))
    engine.execute(f"update hint_count set others = {FIRM} where identifier_key in (from firms_line)")
    unshown = [key for key, name_ids in engine.sql(_HELD).fetchall() if not people.is_shown(key, name_ids)]
    engine.register("unshown_holder", pa.table({"identifier_key": pa.array(unshown, pa.int64())}))
    engine.execute(_PASSING)


def _shows_firm(people: People, key: int, texts: Sequence[str], name_ids: Sequence[int]) -> bool:
    """Whether a line shows one of `texts`, what the firm of somebody there is called. A family's name is none, though
    they have a domain of it; `name_ids`: of who is there."""
    firms = {names.squashed(text) for text in texts}
    persons = [people.name(each) for each in name_ids]
    return any(
        names.squashed(text) in firms and not any(names.same_person(names.fold(text), person) for person in persons)
        for text in people.shown_besides(key)
    )


def _shown(engine: Any, people: People) -> dict[int, tuple[Spelled, list[Spelled]]]:
    """{interaction with a telephone and a customer number: (the name it shows, that customer's on other records)}."""
    rows = engine.sql(_SHOWN).fetchall()
    people.read([name_id for _, name_id, spelled in rows for name_id in (name_id, *(each for each, _ in spelled))])
    return {
        record: (
            (name_id, FACT),
            [(each, weight - HINT * (each == name_id)) for each, weight in spelled if weight > HINT or each != name_id],
        )
        for record, name_id, spelled in rows
    }


def _misnamed(people: People, shown: dict[int, tuple[Spelled, list[Spelled]]]) -> set[int]:
    """Interactions whose customer number is that of somebody of another name than they show."""
    return {
        record
        for record, (name, spelled) in shown.items()
        if people.told(spelled)
        and people.differ([*spelled, name])
        and not _words_of(people, [name]) & _words_of(people, spelled)
    }


def _words_of(people: People, spelled: Sequence[Spelled]) -> set[str]:
    return {word for name_id, _ in spelled for word in people.name(name_id).tokens if len(word) > 2}


def _judged(
    people: People, known: dict[int, Identity], one: set[tuple[int, int]], spans: list[Span], is_number: bool
) -> tuple[str | None, set[int]]:
    """(why the identities on a carrier are several persons, or None; records that are there by a slip)."""
    if len(spans) > MANY:
        return "several_identities", set()
    odd: set[int] = set()
    reasons: list[str] = []
    parted: set[int] = set()
    for a, b in combinations(spans, 2):
        if reason := _parted_by(people, known, one, a, b, is_number):
            many, few = sorted((a, b), key=lambda span: (span.typed is None, span.is_stated, span.uses), reverse=True)
            is_owners = many.is_stated or many.uses > few.uses
            parted |= {a.identity, b.identity}
            if few.typed is not None and is_owners and not _related(people, known, few, many):
                odd.add(few.typed)
            else:
                reasons.append(reason)
    if len(odd) > 1 and 2 * len(odd) >= max(span.uses for span in spans):
        return "several_identities", set()  # colleagues, each known by one call
    if len(parted) - len(odd) > HOLDERS:
        return "several_identities", odd
    return (reasons[0] if reasons else None), odd


def _related(people: People, known: dict[int, Identity], a: Span, b: Span) -> bool:
    """Whether two identities have a word of their names or addresses in common, as relatives do."""
    one, other = (
        _words_of(people, each.spelled) | {word for local in each.addresses for word in local if len(word) > 2}
        for each in (known.get(a.identity, Identity()), known.get(b.identity, Identity()))
    )
    return bool(one & other)


def _known(engine: Any) -> dict[int, Identity]:
    known: dict[int, Identity] = {}
    for identity, name_id, weight in engine.sql(_NAMES).fetchall():
        known.setdefault(identity, Identity()).spelled.append((name_id, weight))
    for identity, space, node in engine.sql(_CLAIMS).fetchall():
        known.setdefault(identity, Identity()).claims.setdefault(space, set()).add(node)
    for identity, address in engine.sql(_ADDRESSES).fetchall():
        known.setdefault(identity, Identity()).addresses.append(_local_words(address))
    for identity, number in engine.sql(_NUMBERS).fetchall():
        known.setdefault(identity, Identity()).numbers.add(number)
    return known


def _parted_by(
    people: People, known: dict[int, Identity], one: set[tuple[int, int]], a: Span, b: Span, is_number: bool
) -> str | None:
    """Why two identities on one carrier are two persons, or None."""
    x, y = known.get(a.identity, Identity()), known.get(b.identity, Identity())
    if x.spelled and y.spelled and people.told(x.spelled) and people.told(y.spelled):
        if not people.differ([*x.spelled, *y.spelled]):
            return None
        return "recycled" if is_number and _rested(a, b) else "several_identities"
    alike = [_alike(left, right) for left in x.addresses for right in y.addresses]
    if True in alike:
        return None
    if is_number and _rested(a, b):
        return "recycled"
    claimed = any(
        (left, right) not in one
        for space in x.claims.keys() & y.claims.keys()
        for left in x.claims[space]
        for right in y.claims[space]
    )
    return "several_identities" if claimed or False in alike or x.differs_in(y) >= FULL else None


def _rested(a: Span, b: Span) -> bool:
    return max(a.first_at, b.first_at) - min(a.last_at, b.last_at) >= NUMBER_RESTS


def _local_words(address: str) -> tuple[str, ...]:
    return tuple(_LETTERS.findall(address.partition("@")[0].partition("+")[0].lower()))


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> bool | None:
    """Whether two addresses may be one person's: yes if one holds a word of the other, no if both hold a person's
    name, else nobody knows."""
    x, y = "".join(a), "".join(b)
    if any(len(word) > 3 and word in y for word in a) or any(len(word) > 3 and word in x for word in b):
        return True
    return False if names.is_name(a) and names.is_name(b) else None


_IDENTIFIERS = f"""
    select i.identifier_key, i.identifier_type, i.identifier_value, {PHONES} as is_number,
        {PHONES} or {BROWSERS} as is_carrier
    from identifiers i
    join classes c on i.identifier_key = c.identifier_key and c.identifier_class = 'private'
"""
# Identities are ties of what is no carrier.
_STRONG = f"""
    create or replace temp table strong_link as
    select t.record_key, t.identifier_key as node,
        i.identifier_type = 'account_ref' and t.record_kind = 'interaction' as is_typed
    from together t join ({_IDENTIFIERS}) i on t.identifier_key = i.identifier_key and not i.is_carrier;
    create or replace temp table strong_tie as
    select t.tie, l.node
    from strong_link l join (select record_key, min(node) as tie from strong_link group by 1) t using (record_key)
"""
_SPANS = f"""
    create or replace temp table span as
    with identity_of as (
        select l.record_key, min(coalesce(s.identity, l.node)) as identity, bool_and(l.is_typed) as is_typed
        from strong_link l left join strong_component s using (node) group by 1
    )
    select t.identifier_key, i.is_number, o.identity, min(t.seen_at) as first_at, max(t.seen_at) as last_at,
        count(*) as uses, bool_or(t.record_kind <> 'interaction') as is_stated,
        case when i.is_number and count(*) = 1 and bool_and(o.is_typed) then min(t.record_key) end as typed
    from together t
    join ({_IDENTIFIERS}) i on t.identifier_key = i.identifier_key and i.is_carrier
    join identity_of o on t.record_key = o.record_key
    where t.seen_at is not null
    group by 1, 2, 3;
    create or replace temp table carried as
    select identifier_key, any_value(is_number) as is_number,
        list(row(identity, first_at, last_at, uses, is_stated, typed) order by identity) as spans
    from span semi join (select identifier_key from span group by 1 having count(*) > 1) using (identifier_key)
    group by 1;
    create or replace temp table asked_identity as
    select distinct s.identity, coalesce(c.node, s.identity) as node
    from (select unnest(spans)[1] as identity from carried) s
    left join strong_component c using (identity)
"""
_SLIPS = """
    create or replace temp table slip as
    select t.record_key, t.identifier_key
    from together t semi join mistyped using (record_key) semi join claim on t.identifier_key = claim.node
    union
    select record_key, identifier_key from lent
"""
# Colleagues call from one line, whoever of them holds it on record: each name perhaps once, and no identity beside it.
# Their firm's name, where the line shows it too, is that of whoever else is there.
_HINTED_LINES = f"""
    select h.identifier_key, h.persons + h.others as callers
    from hint_count h
    join identifiers i on h.identifier_key = i.identifier_key and {PHONES}
    join classes c on h.identifier_key = c.identifier_key and c.identifier_class = 'private'
"""
# Of a line that shows more than persons' names: the firms and the domains of who is seen with it or uses it.
_FIRMS = f"""
    with shown as (
        select h.identifier_key
        from hint_count h join identifiers i on h.identifier_key = i.identifier_key and {PHONES}
        where h.others > 0
    ),
    record as (
        select h.identifier_key, r.record_key from shown h join record_identifiers r using (identifier_key)
        union
        select h.identifier_key, r.record_key
        from shown h
        join span s on h.identifier_key = s.identifier_key
        left join strong_component c using (identity)
        join record_identifiers r on r.identifier_key = coalesce(c.node, s.identity)
    ),
    called as (
        select o.identifier_key, unnest(string_split(split_part(i.identifier_value, '@', -1), '.')) as text
        from record o
        join record_identifiers r on o.record_key = r.record_key
        join identifiers i on r.identifier_key = i.identifier_key and i.identifier_type = 'email'
        union
        select o.identifier_key, n.organisation
        from record o join record_names n on o.record_key = n.record_key and n.organisation is not null
    )
    select c.identifier_key, any_value(c.texts),
        coalesce(list(distinct s.name_id order by s.name_id) filter (where s.weight = {FACT}), [])
    from (select identifier_key, list(text order by text) as texts from called group by 1) c
    join record o using (identifier_key)
    left join record_spelling s using (record_key)
    group by 1 order by 1
"""
# Names of who holds a line; where it does not show them, they are one caller more.
_HELD = f"""
    select h.identifier_key, list(distinct n.name_id order by n.name_id)
    from ({_HINTED_LINES}) h
    join span s using (identifier_key)
    left join strong_component c using (identity)
    join identifier_spelling n on n.identifier_key = coalesce(c.node, s.identity)
    where h.callers = {PASSING_PERSONS - 1}
    group by 1 order by 1
"""
# A mailbox whose senders are three persons is a family's, whoever of them left it.
_PASSING = f"""
    update classes set identifier_class = 'shared', reason = '{PASSING}'
    where identifier_key in (
        select identifier_key from ({_HINTED_LINES})
        where callers + (identifier_key in (from unshown_holder))::int >= {PASSING_PERSONS}
        union all
        select h.identifier_key
        from hint_count h join identifiers i on h.identifier_key = i.identifier_key and i.identifier_type = 'email'
        where h.persons >= {PASSING_PERSONS}
    ) and identifier_class = 'private'
"""
_NAMES = """
    select a.identity, s.name_id, sum(s.weight)::integer
    from asked_identity a join identifier_spelling s on a.node = s.identifier_key
    group by 1, 2 order by 1, 2
"""
_CLAIMS = "select a.identity, c.space, c.node from asked_identity a join claim c using (node) order by all"
_ADDRESSES = """
    select a.identity, i.identifier_value
    from asked_identity a join identifiers i on a.node = i.identifier_key and i.identifier_type = 'email'
    order by all
"""
_NUMBERS = """
    select identity, identifier_key from span semi join asked_identity using (identity) where is_number order by all
"""
_SHOWN = f"""
    with shown as (
        select t.record_key, s.name_id, t.identifier_key as node
        from together t
        semi join (select record_key from together join identifiers i using (identifier_key) where {PHONES}) n
            on t.record_key = n.record_key
        join record_spelling s on t.record_key = s.record_key
        join identifiers i on t.identifier_key = i.identifier_key and i.identifier_type = 'account_ref'
        semi join claim c on t.identifier_key = c.node
        where t.record_kind = 'interaction'
    )
    select record_key, name_id, found from shown join ({claims.spelled("shown")}) using (node) order by all
"""
