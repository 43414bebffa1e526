"""Log-odds that two profiles are one person's, from levels, weights and the frequency of the values they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from customer360.linkage.compare import Comparison
from customer360.linkage.kinds import Kind
from customer360.linkage.model import Floats, Ints, Levels, Model, logit, sigmoid

RANDOM_PAIRS = 300_000
_BORN_WITH = frozenset({Kind.GIVEN_NAME, Kind.FAMILY_NAME, "rest", Kind.BIRTH_DATE, Kind.GENDER})
_SPEAKS = 2  # times likelier than by chance
_PRIOR_ROUNDS = 20


def levels(engine: Any, left: Ints, right: Ints, comparisons: list[Comparison]) -> Levels:
    """Levels of the pairs of rows of `profile`: an array of pairs by comparisons, in the order given."""
    ask(engine, left, right)
    columns = ", ".join(f"{each.sql()} as c{at}" for at, each in enumerate(comparisons))
    found = engine.sql(f"""
        select place, {columns} from asked join profile l on asked.l = l.row join profile r on asked.r = r.row
    """).to_arrow_table()
    order = np.argsort(found["place"].to_numpy())
    return np.stack([found[f"c{at}"].to_numpy()[order] for at in range(len(comparisons))], axis=1)


def ask(engine: Any, left: Ints, right: Ints) -> None:
    """Make table `asked` (place, l, r) of the pairs."""
    engine.register("asked", pa.table({"place": np.arange(len(left)), "l": left, "r": right}))


def random_pairs(rows: int, sources: Ints, seed: int, *, across: bool) -> tuple[Ints, Ints]:
    """Pairs of different rows, each at most once, drawn without looking; `across`: of different sources."""
    draw = np.random.default_rng(seed)
    shuffled = draw.permutation(rows)
    steps = min((rows - 1) // 2, RANDOM_PAIRS // max(rows, 1) + 1)
    left = np.tile(shuffled, steps)
    right = np.concatenate([shuffled[:0], *(np.roll(shuffled, step) for step in range(1, steps + 1))])
    kept = sources[left] != sources[right] if across else np.ones(len(left), bool)
    return np.minimum(left, right)[kept], np.maximum(left, right)[kept]


class Scorer:
    """Scores pairs by a trained model; `prior` is the share of matches among all pairs, `surprise` per comparison
    the weight of each row's value for being rare."""

    def __init__(self, comparisons: list[Comparison], model: Model, prior: float, surprise: list[Floats]) -> None:
        self.model = model
        self.comparisons = comparisons
        self.prior = prior
        self._surprise = surprise

    def fit_prior(self, left: Ints, levels: Levels, possible: int) -> float:
        """Share of matches among `possible` pairs, were the given pairs all that can be any."""
        evidence = self.score(left, levels) - logit(self.prior)
        for _ in range(_PRIOR_ROUNDS):
            expected = float(sigmoid(evidence + logit(self.prior)).sum())
            self.prior = min(max(expected, 1.0) / possible, 0.5)
        return self.prior

    def score(self, left: Ints, levels: Levels) -> Floats:
        """Natural log-odds of a match for each pair; `left`: one of its two rows."""
        return self.judge(left, levels)[0]

    def judge(self, left: Ints, levels: Levels) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """(`score`, whether more than names, birth date and gender speaks for a match) of each pair."""
        parts = self.evidence(left, levels)
        return np.asarray(parts.sum(axis=0) + logit(self.prior)), self.beside(parts)

    def beside(self, parts: Floats) -> npt.NDArray[np.bool_]:
        """Of each pair with `evidence` `parts`, whether more than names, birth date and gender speaks for a match."""
        at = [place for place, group in enumerate(self.model.groups) if not set(group.fields) & _BORN_WITH]
        return np.asarray((parts[at] > np.log(_SPEAKS)).any(axis=0))

    def evidence(self, left: Ints, levels: Levels) -> Floats:
        """What each group of comparisons says of each pair: natural logarithms, groups by pairs."""
        weights = self.model.weights
        found = np.zeros((len(weights), len(left)))
        for at, group in enumerate(self.model.groups):
            rarest = np.full(len(left), -np.inf)
            for place in group.places:
                surprise = self._surprise[place]
                equal = levels[:, place] == self.comparisons[place].size - 1
                rarest[equal] = np.maximum(rarest[equal], surprise[left[equal]])
            found[at] = weights[at][group.code(levels)] + np.where(np.isfinite(rarest), rarest, 0.0)
        return found


def rarity(engine: Any, comparisons: list[Comparison]) -> list[Floats]:
    """Per comparison, the weight of each row's value of `profile` for being rare there."""
    return [rarity_of(engine, each.field, _OWN.format(field=each.field)) for each in comparisons]


_OWN = """
    select value, n, sum(n * n) over () / sum(n) over () as average from (
        select {field} as value, count(*)::double as n from profile where {field} is not null group by 1
    )
"""


def rarity_of(engine: Any, field: str, counts: str) -> Floats:
    """Of each row, log of how much rarer its value is than two equal values are on average. `counts`: query of value,
    n (profiles that have it) and average (that have the value of the average pair of equals)."""
    found = engine.sql(f"""
        select p.row, coalesce(ln(c.average / c.n), 0.0) as surprise
        from profile p left join ({counts}) c on p.{field} = c.value
    """).to_arrow_table()
    order = np.argsort(found["row"].to_numpy())
    return np.asarray(found["surprise"].to_numpy()[order])
