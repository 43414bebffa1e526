"""Weights without labels: Fellegi and Sunter's model [1], its parameters by expectation maximisation.

u from pairs drawn at random, less the matches among them; m from the candidate pairs of each blocking key,
over the comparisons that the key does not touch. Comparisons of one group are taken jointly.

[1] I. P. Fellegi, A. B. Sunter, A Theory for Record Linkage, JASA 64 (1969).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from customer360.linkage.compare import Comparison

Levels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDS = 60
_FEWEST = 50  # candidates of a key that say anything about matches
_SMOOTH = 1.0  # pairs spread over all levels of a group, so that none is impossible


@dataclass(frozen=True, slots=True)
class Group:
    """Comparisons whose levels count as one value. `fields` of `Comparison`, `places` their columns of levels."""

    name: str
    fields: tuple[str, ...]
    places: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod([size + 1 for size in self.sizes]))

    def code(self, levels: Levels) -> npt.NDArray[np.int64]:
        """Joint level of each row of `levels` (pairs by comparisons)."""
        found = np.zeros(len(levels), np.int64)
        for place, size in zip(self.places, self.sizes, strict=True):
            found = found * (size + 1) + levels[:, place]
        return found

    @property
    def levels(self) -> Ints:
        """What each joint level is made of: comparisons by joint levels."""
        return np.stack(np.unravel_index(np.arange(self.size), [size + 1 for size in self.sizes]))

    @property
    def unknown(self) -> int:
        """The joint level where every value is missing."""
        return self.size - 1


def groups_of(comparisons: list[Comparison]) -> list[Group]:
    names = dict.fromkeys(each.group for each in comparisons)
    found = []
    for name in names:
        places = [place for place, each in enumerate(comparisons) if each.group == name]
        found.append(
            Group(
                name,
                tuple(comparisons[place].field for place in places),
                tuple(places),
                tuple(comparisons[place].size for place in places),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """`weights`: per group, log(m / u) of each joint level (natural logarithm)."""

    groups: list[Group]
    m: list[Floats]
    u: list[Floats]

    @property
    def weights(self) -> list[Floats]:
        found = []
        for group, m, u in zip(self.groups, self.m, self.u, strict=True):
            weight = np.log(m / u)
            weight[group.unknown] = 0.0
            found.append(weight)
        return found


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Candidates of one key: levels of the groups `at` that it leaves free, and how often each occurs."""

    at: list[int]
    patterns: Ints
    counts: Floats

    def score(self, weights: list[Floats]) -> Floats:
        return _total(weights, self.at, self.patterns)


def train(
    groups: list[Group],
    random: Levels,
    candidates: Levels,
    rules: Ints,
    rule_fields: list[tuple[str, ...]],
    prior: float,
) -> Model:
    """Model from `random` and `candidates`, levels of pairs. `rules`: bit mask of the keys that made each
    candidate; `rule_fields`: fields of each key; `prior`: share of matches among random pairs."""
    every = list(range(len(groups)))
    drawn = _stratum(random, groups, every)
    strata = []
    for number, fields in enumerate(rule_fields):
        inside = (rules >> number) & 1 == 1
        free = [at for at in every if not set(fields) & set(groups[at].fields)]
        if inside.sum() >= _FEWEST and free:
            strata.append(_stratum(candidates[inside], groups, free))
    u = _shared(groups, drawn, drawn.counts)
    model = Model(groups, [_start(each) for each in u], u)
    shares = [0.5] * len(strata)
    for _ in range(_ROUNDS):
        weights = model.weights
        matched = [np.zeros(group.size) for group in groups]
        for place, stratum in enumerate(strata):
            p = sigmoid(stratum.score(weights) + logit(shares[place])) * stratum.counts
            shares[place] = float(np.clip(p.sum() / stratum.counts.sum(), 1e-4, 1 - 1e-4))
            for column, at in enumerate(stratum.at):
                matched[at] += np.bincount(stratum.patterns[:, column], p, minlength=groups[at].size)
        others = (1 - sigmoid(drawn.score(weights) + logit(prior))) * drawn.counts
        m = [level_shares(seen) if seen.any() else before for seen, before in zip(matched, model.m, strict=True)]
        model = Model(groups, m, _shared(groups, drawn, others))
    return model


def _stratum(levels: Levels, groups: list[Group], at: list[int]) -> _Stratum:
    """Patterns of `levels` in the groups `at`, each once."""
    codes = np.zeros(len(levels), np.int64)
    for place in at:
        codes = codes * groups[place].size + groups[place].code(levels)
    found, counts = np.unique(codes, return_counts=True)
    columns = []
    for place in reversed(at):
        columns.append(found % groups[place].size)
        found = found // groups[place].size
    return _Stratum(at, np.stack(columns[::-1], axis=1), counts.astype(float))


def _shared(groups: list[Group], stratum: _Stratum, counts: Floats) -> list[Floats]:
    """Share of each joint level of each group, of which `stratum` has all."""
    return [
        level_shares(np.bincount(stratum.patterns[:, at], counts, minlength=group.size).astype(float))
        for at, group in enumerate(groups)
    ]


def _total(weights: list[Floats], at: list[int], patterns: Ints) -> Floats:
    total = np.zeros(len(patterns))
    for column, place in enumerate(at):
        total += weights[place][patterns[:, column]]
    return total


def level_shares(counts: npt.NDArray[Any]) -> Floats:
    """Share of each level, given how often it occurs; none is impossible."""
    found = counts.astype(float) + _SMOOTH / len(counts)
    return np.asarray(found / found.sum())


def _start(u: Floats) -> Floats:
    """First guess of m: rare levels are what matches have in common."""
    guess = u**0.3
    return np.asarray(guess / guess.sum())


def sigmoid(x: Floats) -> Floats:
    """Probability of natural log-odds `x`."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))


def logit(p: float) -> float:
    """Natural log-odds of probability `p`."""
    return float(np.log(p / (1 - p)))
