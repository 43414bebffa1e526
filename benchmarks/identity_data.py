"""The data sets of `identity.py`: profiles without labels as Parquet, and the labels to score clusters by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

_FEBRL = "select trim(rec_id) as id, split_part(rec_id, '-', 2) as truth, * exclude rec_id from read_csv('{path}', all_varchar = true)"
SETS = {
    "febrl3": _FEBRL.format(path="{folder}/dataset3.csv"),
    "febrl4": "select 'a' as source, * from ("
    + _FEBRL.format(path="{folder}/dataset4a.csv")
    + ") union all by name select 'b' as source, * from ("
    + _FEBRL.format(path="{folder}/dataset4b.csv")
    + ")",
    "hist50k": "select unique_id as id, cluster as truth, * exclude (unique_id, cluster)"
    " from read_parquet('{folder}/historical_figures_with_errors_50k.parquet')",
    "fake1000": "select unique_id::varchar as id, cluster::varchar as truth, * exclude (unique_id, cluster)"
    " from read_csv('{folder}/fake_1000.csv')",
}


@dataclass(frozen=True, slots=True)
class Score:
    """F1 of pairs, B-cubed F1 [1] and records in the largest cluster.

    [1] A. Bagga, B. Baldwin, Entity-Based Cross-Document Coreferencing Using the Vector Space Model, COLING 1998.
    """

    pair_f1: float
    pair_precision: float
    pair_recall: float
    b3_f1: float
    largest: int

    def __str__(self) -> str:
        pair = f"pair F1 {self.pair_f1:.4f} (P {self.pair_precision:.4f}, R {self.pair_recall:.4f})"
        return f"{pair}  B3 F1 {self.b3_f1:.4f}  largest {self.largest}"


@dataclass(frozen=True, slots=True)
class Truth:
    """Whose each profile is: {id: label}, and {id: table} where only pairs across two tables count."""

    labels: dict[str, str]
    sources: dict[str, str]

    def score(self, clusters: pa.Table) -> Score:
        """Score of clusters with columns id and cluster, one row per profile. Raises ValueError if any is missing."""
        found = dict(
            zip((str(each) for each in clusters["id"].to_pylist()), clusters["cluster"].to_pylist(), strict=True)
        )
        if found.keys() != self.labels.keys():
            raise ValueError("the clusters are not of these profiles")
        ids = sorted(self.labels)
        truth = np.unique([self.labels[each] for each in ids], return_inverse=True)[1]
        guess = np.unique([str(found[each]) for each in ids], return_inverse=True)[1]
        side = np.array([self.sources.get(each, "") for each in ids])
        both = np.unique(truth * len(ids) + guess, return_inverse=True)[1]
        right, there, said = (_pairs(each, side) for each in (both, truth, guess))
        share = np.bincount(both)[both]
        precision, recall = (float(np.mean(share / np.bincount(each)[each])) for each in (guess, truth))
        b3 = 2 * precision * recall / (precision + recall)
        return Score(2 * right / (there + said), right / max(said, 1), right / there, b3, int(np.bincount(guess).max()))


def write(name: str, folder: Path, path: Path) -> Truth:
    """Write the profiles of a set, without labels, in an order that tells nothing."""
    rows = duckdb.sql(SETS[name].format(folder=folder)).to_arrow_table()
    ids = rows["id"].to_pylist()
    sources = rows["source"].to_pylist() if "source" in rows.column_names else []
    profiles = rows.drop_columns(["truth"])
    duckdb.register("profiles", profiles)
    duckdb.execute(f"copy (from profiles order by md5(id || 'order')) to '{path}' (format parquet)")
    return Truth(dict(zip(ids, rows["truth"].to_pylist(), strict=True)), dict(zip(ids, sources, strict=False)))


def _pairs(groups: np.ndarray, sides: np.ndarray) -> int:
    """Pairs within groups; where profiles are of several sides, of different ones."""
    every = np.bincount(groups)
    total = int((every * (every - 1) // 2).sum())
    names = np.unique(sides)
    if len(names) < 2:
        return total
    for name in names:
        own = np.bincount(groups[sides == name])
        total -= int((own * (own - 1) // 2).sum())
    return total
