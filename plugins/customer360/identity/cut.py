"""The cheapest cut that keeps records apart: a minimum cut of the graph record – node.

Only links are cut, never a whole identifier: it goes on linking everybody else who carries it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

Keys = npt.NDArray[np.int64]
Weights = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

UNCUTTABLE = 1 << 28  # weight of a link that stays, whatever it costs


@dataclass(frozen=True, slots=True)
class Apart:
    """Two records that must not be one customer's. `leaving`: the one that goes where either could."""

    record: int
    other: int
    leaving: int | None = None


def cut(records: Keys, nodes: Keys, weights: Weights, pairs: Sequence[Apart]) -> Flags:
    """Which of the distinct links `records`–`nodes` are cut so that no pair is connected any more.

    The links cut weigh least; among equally light cuts the one round the record that leaves, else the one that
    takes fewer records away. The answer does not depend on the order of links or pairs. Raises ValueError where
    only uncuttable links join a pair.
    """
    record_keys, record = np.unique(records, return_inverse=True)
    node_keys, node = np.unique(nodes, return_inverse=True)
    place = {key: number for number, key in enumerate(record_keys.tolist())}
    known = [each for each in pairs if each.record in place and each.other in place]
    size = len(record_keys) + len(node_keys)
    is_cut = np.zeros(len(records), np.bool_)
    while True:
        kept = np.flatnonzero(~is_cut)
        graph = coo_matrix(
            (np.ones(len(kept), np.int8), (record[kept], node[kept] + len(record_keys))), shape=(size, size)
        )
        _, label = connected_components(graph, directed=False)
        joined: dict[int, list[Apart]] = {}
        for each in known:
            if label[place[each.record]] == label[place[each.other]]:
                joined.setdefault(int(label[place[each.record]]), []).append(each)
        if not joined:
            return is_cut
        for component, inside in joined.items():
            links = kept[label[record[kept]] == component]
            leaver, others, is_asked = _leaver(inside)
            found = _cut_one(
                record[links],
                node[links],
                weights[links],
                place[leaver],
                [place[other] for other in others],
                is_asked,
            )
            is_cut[links[found]] = True


def _leaver(pairs: Sequence[Apart]) -> tuple[int, list[int], bool]:
    """(the record to take out first, those it is kept apart from, whether somebody asked for it to leave)."""
    partners: dict[int, set[int]] = {}
    for each in pairs:
        partners.setdefault(each.record, set()).add(each.other)
        partners.setdefault(each.other, set()).add(each.record)
    asked = {each.leaving for each in pairs}
    leaver = min(partners, key=lambda record: (record not in asked, -len(partners[record]), record))
    return leaver, sorted(partners[leaver]), leaver in asked


def _cut_one(
    record: npt.NDArray[np.intp],
    node: npt.NDArray[np.intp],
    weights: Weights,
    source: int,
    sinks: Sequence[int],
    is_asked: bool,
) -> Flags:
    """Which links of one component part the record `source` from all of `sinks`."""
    vertices, flat = np.unique(np.concatenate([record * 2, node * 2 + 1]), return_inverse=True)
    a, b = flat[: len(record)], flat[len(record) :]
    is_record = vertices % 2 == 0
    start, *ends = np.searchsorted(vertices, np.array([source, *sinks]) * 2)
    end = len(vertices)  # one more vertex stands for all sinks
    rows = np.concatenate([a, b, ends])
    columns = np.concatenate([b, a, np.full(len(ends), end)])
    limits = np.concatenate([weights, weights, np.full(len(ends), UNCUTTABLE, np.int32)])
    capacity = csr_matrix((limits.astype(np.int32), (rows, columns)), shape=(end + 1, end + 1))
    found = maximum_flow(capacity, int(start), end)
    if found.flow_value >= UNCUTTABLE:
        raise ValueError("decisions contradict each other: a pair is kept apart and joined")
    residual = csr_matrix(capacity - found.flow)
    residual.eliminate_zeros()
    near = _reached(residual, int(start))
    far = _reached(csr_matrix(residual.T), end)
    is_near = is_asked or near[:-1][is_record].sum() <= far[:-1][is_record].sum()
    side = near if is_near else far
    crossing: Flags = side[a] != side[b]
    return crossing


def _reached(graph: csr_matrix, start: int) -> Flags:
    """Which vertices can be reached from `start`."""
    reached = np.zeros(graph.shape[0], np.bool_)
    reached[breadth_first_order(graph, start, return_predecessors=False)] = True
    return reached
