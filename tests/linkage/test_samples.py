"""Public data sets with known answers: pair F1 does not fall below what one configuration reaches on all."""

from __future__ import annotations

from pathlib import Path

import pytest
from identity_data import Score, write
from linkers import ours

pytestmark = pytest.mark.shared


def score(name: str, samples: Path, folder: Path, *options: str) -> Score:
    """What the benchmark's command finds in a set."""
    profiles, clusters = folder / "profiles.parquet", folder / "clusters.parquet"
    truth = write(name, samples / "identity", profiles)
    return truth.score(ours.link(profiles, clusters, *options))


@pytest.mark.parametrize(
    ("name", "floor", "floor_with_vetoes"),
    [("febrl3", 0.9996, 0.99), ("febrl4", 0.9998, 0.9975), ("fake1000", 0.9, 0.83)],
)
def test_pairs_of_one_person_are_found(
    name: str, floor: float, floor_with_vetoes: float, samples: Path, tmp_path: Path
) -> None:
    assert score(name, samples, tmp_path).pair_f1 >= floor
    assert score(name, samples, tmp_path, "vetoes").pair_f1 >= floor_with_vetoes
