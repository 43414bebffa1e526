"""What one population of profiles taught: weights and frequent values, kept for the profiles of later nights.

Here people are known apart already, by their identifiers, so that nothing has to be guessed: m is counted among
the records of one customer, u among those of different ones. And two profiles are not just one person's or
strangers': who lives in one household shares a family name, an address and a line; who works at one firm its name, its
address and its switchboard. A pair is one person's where that explains it better than all the others together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer360.linkage import blocking, score
from customer360.linkage.compare import comparisons
from customer360.linkage.kinds import Kind
from customer360.linkage.model import Floats, Group, Ints, Levels, Model, groups_of, level_shares, logit

FREQUENT = 3  # profiles with one value, from which on it is remembered
UNLISTED = 1.5  # profiles that a value is taken to have of which nothing is remembered: one or two
FEWEST_PAIRS = 200  # of records of one customer, from which on they teach anything
FREQUENCIES = pa.schema([("field", pa.string()), ("value_key", pa.int64()), ("profiles", pa.int64())])
# What people have in common who are not one person.
_PLACE = (Kind.ADDRESS_LINE, Kind.POSTCODE, Kind.LOCALITY, Kind.REGION, Kind.PHONE)
RELATIONS: dict[str, frozenset[str]] = {
    "household": frozenset({Kind.FAMILY_NAME, Kind.MAILBOX, *_PLACE}),
    "namesake": frozenset({Kind.GIVEN_NAME, Kind.FAMILY_NAME}),
    "workplace": frozenset({Kind.ORGANISATION, *_PLACE}),
}
IDENTIFYING = frozenset({Kind.MAILBOX, Kind.HANDLE, Kind.PHONE})  # what ties records before they are compared
NAME_ALONE = 0.5  # probability at most where nothing but the name speaks for one person: nobody is asked
SUPPORT = 10  # times likelier than by chance: what speaks beside the name
_NAMES = RELATIONS["namesake"]
_PERSON = "person"
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Learned:
    """`m`, `u`: per group of comparisons of `fields`, the share of each joint level among records of one customer and
    of different ones; `prior`: share of each relation ("person" and those of RELATIONS) among all pairs of
    different customers; `average`: per field, how many profiles have the value of the average pair of equals;
    `frequent` (FREQUENCIES): how many have each frequent value; `profiles`: of how many."""

    fields: tuple[str, ...]
    profiles: int
    prior: dict[str, float]
    m: list[Floats]
    u: list[Floats]
    average: dict[str, float]
    frequent: pa.Table


class Judge:
    """Scores pairs of rows of `profile` in `engine` by what a population taught."""

    def __init__(self, engine: Any, learned: Learned) -> None:
        compared = comparisons(learned.fields)
        model = _sober(Model(groups_of(compared), learned.m, learned.u))
        self._scorer = score.Scorer(compared, model, 0.5, _known_rarity(engine, learned))
        self._prior = learned.prior

    def score(self, left: Ints, levels: Levels) -> Floats:
        """Natural log-odds that each pair is one person's; `left`: one of its two rows."""
        return self.judge(left, levels)[0]

    def judge(self, left: Ints, levels: Levels) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """(natural log-odds that each pair is one person's, whether more than names and birth date speaks for it);
        `left`: one of its two rows. A name alone, however rare, makes it no surer than NAME_ALONE."""
        parts = self._scorer.evidence(left, levels)
        odds = _odds(_evidence(self._scorer, parts), self._prior)
        beside = [place for place, group in enumerate(self._scorer.model.groups) if not set(group.fields) & _NAMES]
        is_name_alone = parts[beside].max(axis=0, initial=0) < np.log(SUPPORT)
        return np.where(is_name_alone, np.minimum(odds, logit(NAME_ALONE)), odds), self._scorer.beside(parts)

    def supported(self) -> str:
        """SQL of `l` and `r`, profiles, that holds wherever something beside the name may speak for one person. Of all
        other pairs `judge` says NAME_ALONE at most, and nobody need ask it: what few levels say is found faster than
        all of them."""
        tests = []
        bar = np.log(SUPPORT)
        for group, weights in zip(self._scorer.model.groups, self._scorer.model.weights, strict=True):
            if set(group.fields) & _NAMES:
                continue
            compared = [self._scorer.comparisons[place] for place in group.places]
            tests += [each.levels[0] for each in compared]  # rare values that are equal say more than their weight
            is_equal = (group.levels == np.array(group.sizes)[:, None] - 1).any(axis=0)
            telling = group.levels[:, ~is_equal & (weights >= bar)]
            if len(compared) == 1:
                (one,) = compared
                tests += [one.levels[one.size - 1 - level] for level in telling[0] if 0 < level < one.size]
            if telling.size and (len(compared) > 1 or 0 in telling):
                tests += [f"l.{field} is not null and r.{field} is not null" for field in group.fields]
        return " or ".join(f"({test})" for test in tests) or "false"

    def weights(self, left: Ints, levels: Levels) -> dict[tuple[str, ...], Floats]:
        """{fields of a group of comparisons: what it says of each pair}, natural logarithms."""
        groups = self._scorer.model.groups
        return {group.fields: said for group, said in zip(groups, self._scorer.evidence(left, levels), strict=True)}

    def explanations(self, left: Ints, levels: Levels) -> dict[str, Floats]:
        """{relation: log-odds of it against strangers} of each pair, its share among all pairs included."""
        evidence = _evidence(self._scorer, self._scorer.evidence(left, levels))
        return {relation: np.asarray(said + np.log(self._prior[relation])) for relation, said in evidence.items()}


def learn(engine: Any, fields: Sequence[str], profiles: int) -> Learned | None:
    """What table `profile` teaches, of which column `label` tells customers apart; a sample of so many `profiles`.
    None where too few customers have several records."""
    fields = list(fields)
    compared = comparisons(fields)
    groups = groups_of(compared)
    known = engine.sql(_KNOWN_PAIRS).to_arrow_table()
    if known.num_rows < FEWEST_PAIRS:
        return None
    same = score.levels(engine, known["l"].to_numpy(), known["r"].to_numpy(), compared)
    labels = engine.sql("select label from profile order by row").to_arrow_table()["label"].to_numpy()
    drawn = score.random_pairs(len(labels), labels, SEED, across=True)
    other = score.levels(engine, *drawn, compared)
    counts = [np.bincount(group.code(same), minlength=group.size) for group in groups]
    u = [level_shares(np.bincount(group.code(other), minlength=group.size)) for group in groups]
    m = [_known_shares(*each) for each in zip(groups, counts, u, strict=True)]
    blocking.block(engine, fields, across="label")
    pairs = engine.sql("select l, r from pair order by l, r").to_arrow_table()
    left, right = pairs["l"].to_numpy(), pairs["r"].to_numpy()
    scorer = score.Scorer(compared, _sober(Model(groups, m, u)), 0.5, score.rarity(engine, compared))
    evidence = _evidence(scorer, scorer.evidence(left, score.levels(engine, left, right, compared)))
    prior = _prior(evidence, max(len(labels) * (len(labels) - 1) // 2, 1))
    average, frequent = _frequencies(engine, fields)
    return Learned(tuple(fields), profiles, prior, m, u, average, frequent)


def value_key(value: str) -> str:
    """SQL (DuckDB) of the number that stands for a value, the same in every version."""
    return f"(md5_number_lower({value}) >> 1)::bigint"


SEED = 360
# Records of one customer, each with the next, so that one with very many teaches no more than others do.
_KNOWN_PAIRS = """
    select least(row, next_row) as l, greatest(row, next_row) as r
    from (select row, lead(row) over (partition by label order by row) as next_row from profile)
    where next_row is not null order by 1, 2
"""


def _known_shares(group: Group, counts: Ints, u: Floats) -> Floats:
    """m of each joint level, which occurred so often among known pairs. Values that differ altogether, as no known
    pair's did, say nothing for one person, be that ever so rare among strangers: two streets that differ would else do
    so in a company whose sources agree on streets."""
    m = level_shares(counts)
    differs = (group.levels == 0).any(axis=0) & (counts == 0)
    return np.where(differs, np.minimum(m, u), m)


def _sober(model: Model) -> Model:
    """`model` in which nothing says more for one person than equal values do, however rarely it occurs, and no
    address or number that differs says anything: the known pairs are known by those that do not."""
    found = []
    for group, m, u in zip(model.groups, model.m, model.u, strict=True):
        if len(group.places) == 1:
            equal = group.sizes[0] - 1
            m = np.minimum(m, u * (m[equal] / u[equal]))
        found.append(np.maximum(m, u) if set(group.fields) <= IDENTIFYING else m)
    return Model(model.groups, found, model.u)


def _evidence(scorer: score.Scorer, parts: Floats) -> dict[str, Floats]:
    """Per relation, the log of how much likelier it makes each pair than chance does; `parts`: group by group."""
    found = {_PERSON: parts.sum(axis=0)}
    for relation, shared in RELATIONS.items():
        at = [place for place, group in enumerate(scorer.model.groups) if set(group.fields) & shared]
        found[relation] = parts[at].sum(axis=0)
    return found


def _prior(evidence: dict[str, Floats], possible: int) -> dict[str, float]:
    """Share of each relation among `possible` pairs, were the given pairs all that are not of strangers."""
    prior = dict.fromkeys(evidence, 1 / possible)
    for _ in range(_ROUNDS):
        logs = {relation: found + np.log(prior[relation]) for relation, found in evidence.items()}
        strangers = np.log1p(-min(sum(prior.values()), 0.5))
        total = np.logaddexp.reduce([*logs.values(), np.full(len(logs[_PERSON]), strangers)])
        prior = {relation: max(float(np.exp(log - total).sum()), 1.0) / possible for relation, log in logs.items()}
    return prior


def _odds(evidence: dict[str, Floats], prior: dict[str, float]) -> Floats:
    logs = {relation: found + np.log(prior[relation]) for relation, found in evidence.items()}
    person = logs.pop(_PERSON)
    strangers = np.full(len(person), np.log1p(-min(sum(prior.values()), 0.5)))
    return np.asarray(person - np.logaddexp.reduce([*logs.values(), strangers]))


def _known_rarity(engine: Any, learned: Learned) -> list[Floats]:
    engine.register("frequent", learned.frequent)
    return [
        score.rarity_of(
            engine,
            each.field,
            _KNOWN_COUNTS.format(
                field=each.field, key=value_key("value"), unlisted=UNLISTED, average=learned.average[each.field]
            ),
        )
        for each in comparisons(learned.fields)
    ]


_KNOWN_COUNTS = """
    select value, coalesce(f.profiles, {unlisted})::double as n, {average}::double as average
    from (select distinct {field} as value from profile where {field} is not null)
    left join frequent f on f.field = '{field}' and f.value_key = {key}
"""


def _frequencies(engine: Any, fields: Sequence[str]) -> tuple[dict[str, float], pa.Table]:
    """`average` and `frequent` of table `profile`. A field without values has an average of 1."""
    average: dict[str, float] = {}
    parts = [FREQUENCIES.empty_table()]
    for field in fields:
        engine.execute(f"""
            create or replace temp table value_count as
            select {field} as value, count(*) as n from profile where {field} is not null group by 1
        """)
        ((found,),) = engine.sql("select coalesce(sum(n * n) / sum(n), 1)::double from value_count").fetchall()
        average[field] = found
        parts.append(
            engine.sql(f"""
                select '{field}' as field, {value_key("value")} as value_key, n as profiles
                from value_count where n >= {FREQUENT} order by 2
            """)
            .to_arrow_table()
            .cast(FREQUENCIES)
        )
    return average, pa.concat_tables(parts)
