"""Clusters from pairs with log-odds, and one-to-one links."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from customer360.linkage import cluster as module
from customer360.linkage.assign import assign
from customer360.linkage.cluster import SIDE, cluster, sides

Pairs = list[tuple[int, int, float]]


def clustered(rows: int, pairs: Pairs, vetoes: list[tuple[int, int]] | None = None) -> list[int]:
    left, right, odds = (np.array(column) for column in zip(*pairs, strict=True))
    barred = np.array([(l, r) in (vetoes or []) for l, r, _ in pairs])  # noqa: E741
    return cluster(rows, left.astype(np.int64), right.astype(np.int64), odds.astype(float), barred).tolist()


def dense(members: range, odds: float) -> Pairs:
    return [(a, b, odds) for a, b in combinations(members, 2)]


def test_a_bridge_between_two_dense_groups_is_cut() -> None:
    pairs = [*dense(range(4), 5.0), *dense(range(4, 8), 5.0), (3, 4, 6.0)]
    assert clustered(8, pairs) == [0] * 4 + [4] * 4


def test_groups_that_most_evidence_joins_are_one() -> None:
    pairs = [*dense(range(3), 5.0), *dense(range(3, 6), 5.0), *((a, b, 2.0) for a in range(3) for b in range(3, 6))]
    assert clustered(6, pairs) == [0] * 6


def test_no_single_pair_outweighs_the_others() -> None:
    pairs = [*dense(range(4), 5.0), (3, 4, 500.0), *((member, 4, -5.5) for member in range(3))]
    assert clustered(5, pairs) == [0, 0, 0, 0, 4]


def test_a_veto_keeps_two_apart_whatever_joins_them() -> None:
    pairs = dense(range(8), 50.0)
    found = clustered(8, pairs, [(0, 7)])
    assert found[0] != found[7]
    assert len(set(found)) == 2


@pytest.mark.parametrize(("size", "clusters"), [(SIDE, 2), (SIDE - 1, 1)])
def test_two_sides_with_nothing_in_common_but_the_name_are_two_unless_one_is_small(size: int, clusters: int) -> None:
    members = range(SIDE + size + 1)  # the last one agrees with nobody beside the name
    pairs = [(a, b, 9.0 if (a < SIDE) == (b < SIDE) else 4.0) for a, b in combinations(members, 2)]
    agree = [(a < SIDE) == (b < SIDE) and members[-1] not in (a, b) for a, b, _ in pairs]
    left, right, odds = (np.array(column) for column in zip(*pairs, strict=True))
    found = sides(np.zeros(len(members), np.int64), left, right, odds, np.array(agree))
    assert len(set(found.tolist())) == clusters
    assert found[-1] == found[-2], "goes where most evidence calls it"
    order = np.random.default_rng(1).permutation(len(pairs))
    again = sides(np.zeros(len(members), np.int64), left[order], right[order], odds[order], np.array(agree)[order])
    assert again.tolist() == found.tolist()


def test_order_of_pairs_makes_no_difference() -> None:
    draw = np.random.default_rng(4)
    every = list(combinations(range(40), 2))
    pairs = [(a, b, float(draw.normal(-1, 4))) for a, b in every if draw.random() < 0.4]
    assert clustered(40, pairs) == clustered(40, [pairs[at] for at in draw.permutation(len(pairs))])


def test_a_component_too_large_is_cut_at_its_weakest_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 4)
    pairs = [*dense(range(4), 5.0), *dense(range(4, 8), 5.0), *((a, b, 0.3) for a in range(4) for b in range(4, 8))]
    assert clustered(8, pairs) == [0] * 4 + [4] * 4


def test_equal_evidence_in_a_component_too_large_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 2)
    assert clustered(4, dense(range(4), 3.0)) == [0, 1, 2, 3]


def taken(pairs: Pairs, vetoes: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    left, right, odds = (np.array(column) for column in zip(*pairs, strict=True))
    barred = np.isin(np.arange(len(pairs)), vetoes)
    chosen = assign(20, left.astype(np.int64), right.astype(np.int64), odds.astype(float), barred)
    return [(l, r) for (l, r, _), yes in zip(pairs, chosen, strict=True) if yes]  # noqa: E741


def test_the_best_assignment_is_not_the_greediest() -> None:
    assert taken([(0, 10, 9.0), (0, 11, 8.0), (1, 10, 7.0)]) == [(0, 11), (1, 10)]


def test_unlikely_and_vetoed_pairs_are_not_assigned() -> None:
    assert taken([(0, 10, 9.0), (0, 11, 3.0), (1, 12, -0.5)], vetoes=(0,)) == [(0, 11)]
