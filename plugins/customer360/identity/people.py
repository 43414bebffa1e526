"""Who uses an identifier: the different persons named on the records that carry it.

Names of contact records are facts. The names that telephones and mail programs show are hints: one may be
anything, several of one name are evidence of a person. What stands where no name is known is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from customer360.identity import names
from customer360.identity.names import Name, Rule

_NAMES = ("full_name", "given_name", "family_name", "name_hint")
# What a name must have in common with another to be the same person's, by what carries both.
_RULES: dict[str, Rule] = {
    "email": names.same_owner,
    "user_id": names.same_account,
    "account_ref": names.same_account,
    "loyalty": names.same_account,
}
# Evidence of a person: a fact, or hints on so many records.
FACT = _ENOUGH = 2
HINT = 1
_NAME_SHOWN = r"[^@0-9]+[ ,][^@0-9]+|[\x{4e00}-\x{9fff}]{2,4}"  # two words, or a Chinese one
Spelled = tuple[int, int]  # name id, weight of the evidence for it


class People:
    """The names of one night, and who is who behind each identifier.

    A name typed where a crowd types (`classify.companions`) is nobody's evidence.
    Makes in `engine` (a DuckDB connection that has the three inputs and `crowded`) the tables
    `record_spelling` (record_key, name_id, weight), `person_of` (identifier_key, name_id, person: numbered from
    0 within the identifier; names that could be several persons, and single hints, are left out), `person_count`
    (identifier_key, persons, is_household) and `hint_count` (identifier_key, persons, is_household, others: 1 where
    something else than these persons' names is shown too, a firm's).
    """

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        engine.execute(_TOLD, {"no_name": names.no_name_pattern()})
        engine.execute(_SPELLINGS)
        self._spelled: dict[int, Name] = {}
        self._united: dict[int, set[frozenset[Name]]] = {}
        self._callers: dict[int, list[Name]] = {}
        self._anothers: dict[int, list[str]] = {}
        self._sort_out()
        self._count_hints()

    def name(self, name_id: int) -> Name:
        return self._spelled[name_id]

    def read(self, name_ids: Sequence[int]) -> None:
        """Fold the names of `name_ids`, so that `name` knows them."""
        missing = [each for each in name_ids if each not in self._spelled]
        if not missing:
            return
        self.engine.register("wanted", pa.table({"name_id": pa.array(missing, pa.int64())}))
        rows = self.engine.sql(
            "select name_id, full_name, given_name, family_name, birth_date from spelling join wanted using (name_id)"
        ).fetchall()
        self._spelled |= {name_id: names.fold(*parts) for name_id, *parts in rows}

    @property
    def uniting(self) -> list[int]:
        """Identifiers that have shown several names to be one person's."""
        return sorted(self._united)

    def is_shown(self, key: int, name_ids: Sequence[int]) -> bool:
        """Whether one of the names that an identifier shows can be that of who has `name_ids`."""
        self.read(name_ids)
        return any(names.same_person(self._spelled[each], caller) for each in name_ids for caller in self._callers[key])

    def shown_besides(self, key: int) -> list[str]:
        """What an identifier shows that is no part of a person's name there, as `hint_count.others` counts it."""
        return self._anothers.get(key, [])

    def told(self, spelled: Sequence[Spelled]) -> bool:
        """Whether these names are evidence enough of anybody."""
        return sum(weight for name_id, weight in spelled if self._spelled[name_id].tokens) >= _ENOUGH

    def differ(self, spelled: Sequence[Spelled], united_by: Sequence[int] = ()) -> bool:
        """Whether these names are certainly not all one person's. `united_by`: identifiers of the same records,
        whose word counts where names alone would not do."""
        self.read([name_id for name_id, _ in spelled])
        weights: dict[Name, int] = {}
        for name_id, weight in spelled:
            if (name := self._spelled[name_id]).tokens:
                weights[name] = weights.get(name, 0) + weight
        if len(weights) > names.MANY:
            return True
        united = set().union(*(self._united.get(key, set()) for key in united_by))

        def same(a: Name, b: Name) -> bool:
            return names.same_person(a, b) or frozenset((a, b)) in united

        return len(_grouped(list(weights), names.groups(list(weights), same), list(weights.values()))) > 1

    def _sort_out(self) -> None:
        """`person_of` and `person_count`: only identifiers with several spellings are looked at one by one."""
        several = self.engine.sql(_SEVERAL.format(many=names.MANY)).fetchall()
        self.read([name_id for _, _, found, _ in several for name_id in found])
        keys: list[int] = []
        ids: list[int] = []
        persons: list[int] = []
        counts: list[tuple[int, int, bool]] = []
        for key, kind, found, weights in several:
            each = [self._spelled[name_id] for name_id in found]
            places = names.groups(each, _RULES.get(kind, names.same_person))
            groups = _grouped(each, places, weights)
            counts.append((key, len(groups), _is_household(list(groups.values()))))
            if kind in _RULES:
                united = {frozenset(pair) for group in groups.values() for pair in _pairs(group)}
                if united:
                    self._united[key] = united
            for name_id, place in zip(found, places, strict=True):
                if place in groups:
                    keys.append(key)
                    ids.append(name_id)
                    persons.append(place)
        found_persons = pa.table({"identifier_key": _int64(keys), "name_id": _int64(ids), "person": _int64(persons)})
        self.engine.register("sorted_out", found_persons)
        self.engine.register("counted", _counts(counts))
        self.engine.execute(_PERSONS.format(many=names.MANY, enough=_ENOUGH))

    def _count_hints(self) -> None:
        rows = self.engine.sql(_HINTS.format(many=names.MANY)).fetchall()
        counts: list[tuple[int, int, bool]] = []
        others: list[int] = []
        for key, spelled, records in rows:
            if spelled is None:
                counts.append((key, names.MANY, False))
                others.append(0)
                continue
            folded = [names.fold(text) for text in spelled]
            seen = dict(zip(folded, records, strict=True))
            full = self._callers[key] = sorted((name for name in seen if len(name.tokens) > 1), key=names.order)
            places = names.groups(full, names.same_person)
            all_groups = _grouped(full, places, [_ENOUGH] * len(full))
            lasting = len(_grouped(full, places, [seen[name] for name in full])) == len(all_groups)
            counts.append((key, len(all_groups), lasting and _is_household(list(all_groups.values()))))
            besides = [text for text, name in zip(spelled, folded, strict=True) if _is_anothers(name, full)]
            if besides:
                self._anothers[key] = besides
            others.append(int(bool(besides)))
        self.engine.register("counted_hints", _counts(counts).append_column("others", _int64(others)))
        self.engine.execute("create or replace temp table hint_count as from counted_hints")


def match_hints(
    people: People, hints: Sequence[tuple[int, str]], holders: Sequence[tuple[int, int, list[int]]]
) -> pa.Table:
    """(identifier_key, name_hint, component) of those `hints` (identifier_key, name hint) that can mean only one of the
    identifier's `holders` (identifier_key, component, name ids)."""
    people.read([name_id for *_, ids in holders for name_id in ids])
    known: dict[int, list[tuple[int, list[Name]]]] = {}
    for key, component, ids in holders:
        known.setdefault(key, []).append((component, [people.name(name_id) for name_id in ids]))
    matches: list[tuple[int, str, int]] = []
    for key, hint in hints:
        of_key = known.get(key, [])
        place = names.only_match(names.fold(hint), [group for _, group in of_key], names.same_person)
        if place is not None:
            matches.append((key, hint, of_key[place][0]))
    keys, texts, components = zip(*matches, strict=True) if matches else ((), (), ())
    return pa.table(
        {"identifier_key": _int64(keys), "name_hint": pa.array(texts, pa.string()), "component": _int64(components)}
    )


def _grouped(each: Sequence[Name], places: Sequence[int | None], weights: Sequence[int]) -> dict[int, list[Name]]:
    """The names of each person of whom there is evidence enough."""
    groups: dict[int, list[Name]] = {}
    weight_of: dict[int, int] = {}
    for name, place, weight in zip(each, places, weights, strict=True):
        if place is not None and name.tokens:
            groups.setdefault(place, []).append(name)
            weight_of[place] = weight_of.get(place, 0) + weight
    return {place: groups[place] for place in sorted(groups) if weight_of[place] >= _ENOUGH}


def _is_anothers(name: Name, full: Sequence[Name]) -> bool:
    """Whether a name of one word is not part of any of the `full` ones."""
    return len(name.tokens) == 1 and not any(names.same_person(name, other) for other in full)


def _pairs(group: Sequence[Name]) -> list[tuple[Name, Name]]:
    return [(a, b) for i, a in enumerate(group) for b in group[i + 1 :]]


def _is_household(groups: Sequence[Sequence[Name]]) -> bool:
    """Two or more persons with a word of their names in common: the family's."""
    if len(groups) < 2:
        return False
    words = [{word for name in group for word in name.tokens if len(word) > 1} for group in groups]
    return bool(set.intersection(*words))


def _int64(values: Sequence[int]) -> pa.Array:
    return pa.array(values, pa.int64())


def _counts(rows: Sequence[tuple[int, int, bool]]) -> pa.Table:
    return pa.table(
        {
            "identifier_key": _int64([row[0] for row in rows]),
            "persons": _int64([row[1] for row in rows]),
            "is_household": pa.array([row[2] for row in rows], pa.bool_()),
        }
    )


_TOLD = f"""
    create or replace temp table told_name as
    select record_key, record_kind, birth_date, {", ".join(f"{names.told(each)} as {each}" for each in _NAMES)}
    from record_names
"""
_SPELLINGS = f"""
    create or replace temp table named_record as
    select record_key, coalesce(full_name, '') as full_name, coalesce(given_name, '') as given_name,
        coalesce(family_name, '') as family_name, coalesce(birth_date, date '0001-01-01') as known_date,
        {FACT} as weight
    from told_name
    where record_kind not in ('interaction', 'account')
        and record_key not in (select record_key from record_identifiers semi join crowded using (identifier_key))
        and (full_name <> '' or given_name <> '' or family_name <> '')
    union all
    select record_key, name_hint, '', '', date '0001-01-01', {HINT}
    from told_name
    where record_kind = 'interaction' and regexp_full_match(name_hint, '{_NAME_SHOWN}')
        and record_key not in (select record_key from record_identifiers semi join crowded using (identifier_key));
    create or replace temp table spelling as
    select (row_number() over (order by full_name, given_name, family_name, known_date)) as name_id, *,
        case when known_date > date '0001-01-01' then known_date end as birth_date
    from (select distinct full_name, given_name, family_name, known_date from named_record);
    create or replace temp table record_spelling as
    select n.record_key, s.name_id, n.weight
    from named_record n join spelling s using (full_name, given_name, family_name, known_date);
    create or replace temp table identifier_spelling as
    select r.identifier_key, s.name_id, sum(s.weight)::integer as weight
    from record_identifiers r join record_spelling s using (record_key)
    group by 1, 2
"""
_SEVERAL = """
    with several as (select identifier_key from identifier_spelling group by 1 having count(*) between 2 and {many})
    select identifier_key, i.identifier_type, found, weights from (
        select identifier_key, list(name_id order by name_id) as found, list(weight order by name_id) as weights
        from identifier_spelling semi join several using (identifier_key) group by 1
    ) join identifiers i using (identifier_key) order by identifier_key
"""
# An identifier with one spelling has one person; one with very many has as many, and nobody sorts them out.
_PERSONS = """
    create or replace temp table spelling_count as
    select identifier_key, count(*) as spellings, min(name_id) as name_id, max(weight) >= {enough} as is_told
    from identifier_spelling group by 1;
    create or replace temp table person_of as
    select identifier_key, name_id, 0 as person from spelling_count where spellings = 1 and is_told
    union all select identifier_key, name_id, person from sorted_out;
    create or replace temp table person_count as
    select identifier_key, is_told::integer as persons, false as is_household from spelling_count where spellings = 1
    union all select identifier_key, persons, is_household from counted
    union all select identifier_key, spellings, false from spelling_count where spellings > {many}
"""
# Who shows one name is one person at most; only a telephone's single word may be a firm's.
_HINTS = """
    with hints as (
        select r.identifier_key, n.name_hint, count(*) as records,
            any_value(i.identifier_type) in ('phone', 'fax') and not contains(n.name_hint, ' ') as is_word
        from told_name n
        join record_identifiers r using (record_key)
        join identifiers i on r.identifier_key = i.identifier_key
            and i.identifier_type not in ('user_id', 'account_ref', 'loyalty')
        where n.name_hint is not null and n.name_hint not like '%@%'
        group by 1, 2
    )
    select identifier_key,
        case when count(*) <= {many} then list(name_hint order by name_hint) end as spelled,
        case when count(*) <= {many} then list(records order by name_hint) end as records
    from hints group by 1 having count(*) > 1 or bool_and(is_word) order by 1
"""
