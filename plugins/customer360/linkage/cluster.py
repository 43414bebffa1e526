"""Clusters from scored pairs: a weak bridge between dense groups is cut, however strong one link in it is.

Correlation clustering (Bansal, Blum, Chawla, Machine Learning 56, 2004) asks for the partition with the most
evidence inside and the least across; merging the two clusters with the best mean log-odds while it is
positive approximates it, and moves of single members mend what that got wrong. A pair that was never
compared counts as weak evidence against.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from customer360.linkage.model import Floats, Ints

SURE = float(np.log(1000))  # no single pair says more than 1000 to 1, for comparisons are never independent
UNSEEN = -3.0  # log-odds of a pair that shares no key and no neighbour
VETO = 1e6  # more than any mean of `SURE` can make good
_LEAST_GAIN = 1e-6  # below that a move is rounding
SIDE = 3  # members of one side of a cluster, from which on it may be somebody of their own
LARGEST = 2000  # components above this are cut at their weakest links first


def cluster(rows: int, left: Ints, right: Ints, odds: Floats, vetoes: npt.NDArray[np.bool_]) -> Ints:
    """Smallest row of the cluster of each of `rows`. `left`, `right`: pairs of rows, each once, with natural
    log-odds of a match; clusters hold no pair of `vetoes`. The order of pairs makes no difference."""
    weights = np.where(vetoes, -VETO, np.clip(odds, -SURE, SURE))
    labels = _components(rows, left, right, odds, weights)
    found = np.arange(rows)
    members = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    ends = np.cumsum(sizes)
    place = np.empty(rows, np.int64)
    place[members] = np.arange(rows) - (ends - sizes)[labels[members]]
    inside = np.flatnonzero(labels[left] == labels[right])
    inside = inside[np.argsort(labels[left[inside]], kind="stable")]
    bounds = np.searchsorted(labels[left[inside]], np.arange(len(sizes) + 1))
    for label in np.flatnonzero(sizes > 1):
        edges = inside[bounds[label] : bounds[label + 1]]
        own = members[ends[label] - sizes[label] : ends[label]]
        parts = _partition(len(own), place[left[edges]], place[right[edges]], weights[edges])
        _, first, back = np.unique(parts, return_index=True, return_inverse=True)
        found[own] = own[first][back]
    return found


def sides(clusters: Ints, left: Ints, right: Ints, odds: Floats, beside: npt.NDArray[np.bool_]) -> Ints:
    """`clusters` of which two sides that have nothing in common beside names and birth date are two clusters.

    `beside`: whether more speaks for a pair. A side has at least SIDE members that agree with another in something;
    whoever agrees with nobody goes where most evidence calls them. One record may be wrong in all it says, but not
    several in the same way.
    """
    found = clusters.copy()
    inside = np.flatnonzero(clusters[left] == clusters[right])
    sizes = np.bincount(clusters, minlength=len(clusters))
    inside = inside[sizes[clusters[left[inside]]] >= 2 * SIDE]
    inside = inside[np.argsort(clusters[left[inside]], kind="stable")]
    for edges in np.split(inside, np.flatnonzero(np.diff(clusters[left[inside]])) + 1):
        if not len(edges):
            continue
        members, flat = np.unique([left[edges], right[edges]], return_inverse=True)
        one, other = flat.reshape(2, -1)
        agree = beside[edges]
        graph = coo_array((np.ones(int(agree.sum()), np.int8), (one[agree], other[agree])), shape=(len(members),) * 2)
        part = np.asarray(connected_components(graph, directed=False)[1])
        large = np.flatnonzero(np.bincount(part) >= SIDE)
        if len(large) < 2:
            continue
        pull = np.zeros((len(members), len(large)))
        weights = np.clip(odds[edges], -SURE, SURE)
        for column, side in enumerate(large):
            np.add.at(pull[:, column], one, np.where(part[other] == side, weights, 0.0))
            np.add.at(pull[:, column], other, np.where(part[one] == side, weights, 0.0))
        chosen = np.where(np.isin(part, large), np.searchsorted(large, part), np.argmax(pull, axis=1))
        for column in range(len(large)):
            side = members[chosen == column]
            found[side] = side.min()
    return found


def _components(rows: int, left: Ints, right: Ints, odds: Floats, weights: Floats) -> Ints:
    """Connected components of the pairs that are likelier matches than not; those too large, of likelier ones."""
    kept = weights > 0
    bar = 0.0
    while True:
        graph = coo_array((np.ones(int(kept.sum()), np.int8), (left[kept], right[kept])), shape=(rows, rows))
        labels = np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
        large = np.bincount(labels)[labels[left]] > LARGEST
        if not (kept & large).any():
            return labels
        bar += 0.5
        kept &= ~large | (odds > bar)


def _partition(size: int, left: Ints, right: Ints, weights: Floats) -> Ints:
    """Cluster number of each of `size` members."""
    evidence = np.full((size, size), UNSEEN)
    evidence[left, right] = evidence[right, left] = weights
    np.fill_diagonal(evidence, 0.0)
    # Heights must not be negative; adding the same to every distance adds it to every mean.
    tree = linkage(VETO - evidence[np.triu_indices(size, 1)], "average")
    return _moved(evidence, fcluster(tree, VETO, "distance") - 1)


def _moved(evidence: Floats, labels: Ints) -> Ints:
    """`labels` after members moved one by one to the cluster that most evidence calls them to: what the first
    merges of a greedy run got wrong. Every move adds to the evidence inside, so they end."""
    size = int(labels.max()) + 1
    members = np.zeros((len(labels), size))
    rows = np.arange(len(labels))
    members[rows, labels] = 1.0
    pull = evidence @ members
    while True:
        gains = np.where(pull > 0, pull - pull[rows, labels][:, None], 0.0)
        mover, to = np.unravel_index(int(np.argmax(gains)), gains.shape)
        if gains[mover, to] <= _LEAST_GAIN:
            return labels
        pull[:, labels[mover]] -= evidence[:, mover]
        pull[:, to] += evidence[:, mover]
        labels[mover] = to
