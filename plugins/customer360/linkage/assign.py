"""One-to-one links between two tables of which neither holds anybody twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from customer360.linkage.model import Floats, Ints


def assign(rows: int, left: Ints, right: Ints, odds: Floats, vetoes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which pairs to take: those of the one-to-one assignment with the highest sum of log-odds, among pairs
    likelier a match than not and without a veto. `left` and `right` hold rows of different tables."""
    from scipy.optimize import linear_sum_assignment  # takes long to import, and no night assigns

    taken = np.zeros(len(left), bool)
    open_pairs = np.flatnonzero((odds > 0) & ~vetoes)
    graph = coo_array((np.ones(len(open_pairs), np.int8), (left[open_pairs], right[open_pairs])), shape=(rows, rows))
    labels = connected_components(graph, directed=False)[1]
    of_pair = labels[left[open_pairs]]
    order = np.argsort(of_pair, kind="stable")
    for edges in np.split(open_pairs[order], np.flatnonzero(np.diff(of_pair[order])) + 1):
        if len(edges) < 2:
            taken[edges] = True
            continue
        us, u = np.unique(left[edges], return_inverse=True)
        vs, v = np.unique(right[edges], return_inverse=True)
        gain = np.zeros((len(us), len(vs)))
        gain[u, v] = odds[edges]
        chosen = np.zeros(gain.shape, bool)
        chosen[linear_sum_assignment(gain, maximize=True)] = True
        taken[edges] = chosen[u, v]
    return taken
