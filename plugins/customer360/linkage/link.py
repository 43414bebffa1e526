"""Profiles in, clusters out: `deduplicate` one table, `match` two of which neither holds anybody twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array, triu

from customer360.linkage import assign, blocking, features, model, score, vetoes
from customer360.linkage.cluster import cluster, sides
from customer360.linkage.compare import Comparison, comparisons
from customer360.linkage.kinds import Layout, Veto
from customer360.linkage.learned import Judge
from customer360.linkage.model import Floats, Ints
from customer360.linkage.score import Scorer

SEED = 360
_REFITS = 2  # rounds of weights, then share of matches


@dataclass(frozen=True, slots=True)
class Linked:
    """`pairs`: source_l, key_l, source_r, key_r, probability (of a match; 0 where a veto stands) of every pair
    that was compared. `clusters`: source, key, cluster (source and key of its first member) of every profile.
    Both are sorted."""

    pairs: pa.Table
    clusters: pa.Table


@dataclass(slots=True)
class Pairs:
    """Scored pairs of rows: left < right, each once. `odds`: natural log-odds of a match; `vetoes`: whether it
    cannot be one all the same; `beside`: whether more than the names and the birth date speaks for it."""

    left: Ints
    right: Ints
    odds: Floats
    vetoes: npt.NDArray[np.bool_]
    beside: npt.NDArray[np.bool_]

    def where(self, kept: npt.NDArray[np.bool_]) -> Pairs:
        return Pairs(self.left[kept], self.right[kept], self.odds[kept], self.vetoes[kept], self.beside[kept])

    def extended(self, other: Pairs) -> Pairs:
        return Pairs(
            np.concatenate([self.left, other.left]),
            np.concatenate([self.right, other.right]),
            np.concatenate([self.odds, other.odds]),
            np.concatenate([self.vetoes, other.vetoes]),
            np.concatenate([self.beside, other.beside]),
        )


@dataclass(slots=True)
class Linkage:
    """One run over table `profile` of `engine`, which has `rows` rows, of `sources` (a number each). `across`: only
    pairs of different sources are looked at. `scorer`: made by `candidates`, or given."""

    engine: Any
    fields: list[str]
    rows: int
    sources: Ints
    across: bool
    declared: frozenset[Veto]
    scorer: Scorer | Judge | None = None

    @property
    def compared(self) -> list[Comparison]:
        return comparisons(self.fields)

    def candidates(self) -> Pairs:
        """Blocked pairs, scored by weights learnt from them."""
        return self._scored(*self._train())

    def _train(self) -> tuple[Ints, Ints, model.Levels]:
        """Make `scorer`; the blocked pairs and their levels."""
        engine = self.engine
        rules = blocking.block(engine, self.fields, across="source" if self.across else None)
        found = engine.sql("select l, r, rules from pair order by l, r").to_arrow_table()
        left, right, masks = (found[name].to_numpy() for name in ("l", "r", "rules"))
        groups = model.groups_of(self.compared)
        levels = score.levels(engine, left, right, self.compared)
        drawn = score.random_pairs(self.rows, self.sources, SEED, across=self.across)
        chance = score.levels(engine, *drawn, self.compared)
        possible = self._possible()
        prior = min(max(self.rows, 1) / possible, 0.5)
        surprise = score.rarity(engine, self.compared)
        for _ in range(_REFITS):
            trained = model.train(groups, chance, levels, masks, rules, prior)
            scorer = Scorer(self.compared, trained, prior, surprise)
            prior = scorer.fit_prior(left, levels, possible)
        self.scorer = scorer
        return left, right, levels

    def score(self, left: Ints, right: Ints) -> Pairs:
        """Pairs of rows, left < right, scored."""
        return self._scored(left, right, score.levels(self.engine, left, right, self.compared))

    def _scored(self, left: Ints, right: Ints, levels: model.Levels) -> Pairs:
        stands = vetoes.vetoed(self.engine, left, right, self.fields, self.declared)
        odds, beside = self._taught.judge(left, levels)
        return Pairs(left, right, odds, stands, beside)

    @property
    def _taught(self) -> Scorer | Judge:
        if self.scorer is None:
            raise RuntimeError("pairs are scored once candidates have taught the weights")
        return self.scorer

    def _possible(self) -> int:
        """Number of pairs there are."""
        every = self.rows * (self.rows - 1) // 2
        if not self.across:
            return max(every, 1)
        counts = np.bincount(self.sources)
        return max(every - int((counts * (counts - 1) // 2).sum()), 1)


def deduplicate(profiles: pa.Table, layout: Layout) -> Linked:
    """Clusters of the profiles of one table. Raises ValueError if a key comes twice."""
    run = _start(profiles, layout, None)
    pairs = run.candidates()
    pairs = pairs.extended(run.score(*_neighbours(run.rows, pairs)))
    while True:
        clusters = cluster(run.rows, pairs.left, pairs.right, pairs.odds, pairs.vetoes)
        unseen = run.score(*_unseen(clusters, pairs))
        pairs = pairs.extended(unseen)
        if not unseen.vetoes.any():
            return _linked(run, pairs, sides(clusters, pairs.left, pairs.right, pairs.odds, pairs.beside))


def match(profiles: pa.Table, layout: Layout, source: str) -> Linked:
    """One-to-one links between the two tables that column `source` tells apart. Raises ValueError if a key
    comes twice in one, or there are not two."""
    run = _start(profiles, layout, source)
    if len(set(run.sources.tolist())) != 2:
        raise ValueError("two sources are matched, neither more nor fewer")
    pairs = run.candidates()
    taken = assign.assign(run.rows, pairs.left, pairs.right, pairs.odds, pairs.vetoes)
    clusters = np.arange(run.rows)
    clusters[pairs.right[taken]] = pairs.left[taken]
    return _linked(run, pairs, clusters)


def _start(profiles: pa.Table, layout: Layout, source: str | None) -> Linkage:
    engine = duckdb.connect()
    fields = features.prepare(engine, profiles, layout, source)
    vetoes.prepare(engine, fields)
    named = engine.sql("select source from profile order by row").to_arrow_table()["source"]
    codes = np.unique(np.asarray(named.to_pylist(), dtype=str), return_inverse=True)[1].astype(np.int64)
    return Linkage(engine, fields, len(codes), codes, source is not None, layout.vetoes)


def _neighbours(rows: int, pairs: Pairs) -> tuple[Ints, Ints]:
    """Pairs not compared yet that have a likely match in common."""
    likely = (pairs.odds > 0) & ~pairs.vetoes
    shape = (rows, rows)
    one_way = coo_array((np.ones(int(likely.sum()), np.int32), (pairs.left[likely], pairs.right[likely])), shape=shape)
    both = (one_way + one_way.T).tocsr()
    steps = triu(both @ both, 1).tocoo()
    return _missing(steps.row.astype(np.int64), steps.col.astype(np.int64), rows, pairs)


def _unseen(clusters: Ints, pairs: Pairs) -> tuple[Ints, Ints]:
    """Pairs within clusters not compared yet."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(clusters[order]) != 0])
    lefts, rights = [], []
    for members in np.split(order, starts[1:]):
        if len(members) > 1:
            i, j = np.triu_indices(len(members), 1)
            lefts.append(members[i])
            rights.append(members[j])
    none = np.empty(0, np.int64)
    return _missing(np.concatenate([none, *lefts]), np.concatenate([none, *rights]), len(clusters), pairs)


def _missing(left: Ints, right: Ints, rows: int, pairs: Pairs) -> tuple[Ints, Ints]:
    fresh = np.setdiff1d(left * rows + right, pairs.left * rows + pairs.right)
    return fresh // rows, fresh % rows


def _linked(run: Linkage, pairs: Pairs, clusters: Ints) -> Linked:
    probability = np.where(pairs.vetoes, 0.0, model.sigmoid(pairs.odds))
    run.engine.register("scored", pa.table({"l": pairs.left, "r": pairs.right, "probability": probability}))
    run.engine.register("clustered", pa.table({"row": np.arange(run.rows), "first": clusters}))
    return Linked(run.engine.sql(_PAIRS).to_arrow_table(), run.engine.sql(_CLUSTERS).to_arrow_table())


_PAIRS = """
    select l.source as source_l, l.key as key_l, r.source as source_r, r.key as key_r, probability
    from (
        select case when (a.source, a.key) < (b.source, b.key) then l else r end as x,
            case when (a.source, a.key) < (b.source, b.key) then r else l end as y, probability
        from scored join profile a on l = a.row join profile b on r = b.row
    ) join profile l on x = l.row join profile r on y = r.row
    order by all
"""
_CLUSTERS = """
    select source, key, min(source || ' ' || key) over (partition by first) as cluster
    from clustered join profile using (row) order by all
"""
