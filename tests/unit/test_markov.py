"""The exact Markov model, against chains worked out by hand and an independent way to solve any chain."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from customer360.attribution.markov import Chain, assemble, removal_effects, shares

Path = tuple[tuple[str, ...], int, int, int]  # states, conversions, their amount, journeys that led nowhere


def counted(paths: Sequence[Path]) -> Chain:
    """The chain of `paths`, by way of the rows that the engine counts."""
    numbers = {state: number for number, state in enumerate(sorted({s for path, *_ in paths for s in path}), start=1)}
    rows = []
    for path, won, amount, lost in paths:
        steps = [None, *(numbers[state] for state in path)]
        for origin, following in itertools.pairwise(steps):
            rows.append({"origin": origin, "next": following, "journeys": won + lost, "amount": 0, "is_lost": False})
        for journeys, worth, is_lost in ((won, amount, False), (lost, 0, True)):
            if journeys:
                rows.append(
                    {"origin": steps[-1], "next": None, "journeys": journeys, "amount": worth, "is_lost": is_lost}
                )
    chain = assemble(rows, {number: (state,) for state, number in numbers.items()})
    assert chain is not None
    return chain


def reference(paths: Sequence[Path]) -> dict[str, tuple[Fraction, Fraction]]:
    """Removal effects of count and amount in exact fractions: each state is taken out in turn and the smaller chain
    solved by Gaussian elimination."""
    moves: Counter[tuple[str, str]] = Counter()
    worth: Counter[str] = Counter()
    for path, won, amount, lost in paths:
        for origin, following in zip(("(start)", *path), path, strict=False):
            moves[origin, following] += won + lost
        moves[path[-1], "(won)"] += won
        moves[path[-1], "(lost)"] += lost
        worth[path[-1]] += amount
    states = sorted({state for path, *_ in paths for state in path})

    def gained(kept: list[str]) -> tuple[Fraction, Fraction]:
        names = ["(start)", *kept]
        leaving = {name: sum(count for (origin, _), count in moves.items() if origin == name) for name in names}
        rows = []
        for name in names:
            row = [Fraction(int(name == other)) - Fraction(moves[name, other], leaving[name]) for other in names]
            rows.append([*row, Fraction(moves[name, "(won)"], leaving[name]), Fraction(worth[name], leaving[name])])
        for i in range(len(names)):
            swap = next(k for k in range(i, len(names)) if rows[k][i])
            rows[i], rows[swap] = rows[swap], rows[i]
            rows[i] = [value / rows[i][i] for value in rows[i]]
            for k in range(len(names)):
                if k != i and rows[k][i]:
                    rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
        return rows[0][-2], rows[0][-1]

    won, amount = gained(states)
    found = {}
    for state in states:
        left = gained([other for other in states if other != state])
        found[state] = (1 - left[0] / won, 1 - left[1] / amount if amount else Fraction(0))
    return found


def test_a_chain_solved_by_hand() -> None:
    """Three journeys: a > b converts, a does not, b converts. Half the weight of b goes with a."""
    chain = counted([(("a", "b"), 1, 10, 0), (("a",), 0, 0, 1), (("b",), 1, 30, 0)])
    effects = removal_effects(chain)
    # From the start 2/3 to a, of which 1/2 on to b; 1/3 to b, which always converts: 2/3 convert, 1/3 without a.
    assert effects.conversions == pytest.approx([1 / 2, 1])
    assert effects.amounts == pytest.approx([1 / 2, 1])
    assert shares(effects.conversions, np.ones(2)) == [Decimal("0.333333333333333"), Decimal("0.666666666666667")]


@pytest.mark.parametrize("seed", range(20))
def test_any_chain_is_as_the_reference_says(seed: int) -> None:
    pick = random.Random(seed)
    names = ["A > B", "B", "c", "d", "e", "f", "ü"][: pick.randrange(2, 8)]
    paths: list[Path] = []
    for _ in range(pick.randrange(2, 30)):
        path = tuple(pick.choice(names) for _ in range(pick.randrange(1, 9)))
        paths.append((path, pick.randrange(0, 5), pick.randrange(0, 900), pick.randrange(0, 9)))
    paths.append(((names[0],), 1, 5, 1))
    paths = [(path, won, amount if won else 0, lost) for path, won, amount, lost in paths if won + lost]
    found = removal_effects(counted(paths))
    for state, (count, amount) in reference(paths).items():
        place = [name for (name,) in counted(paths).states].index(state)
        assert found.conversions[place] == pytest.approx(float(count), rel=1e-9, abs=1e-9)
        assert found.amounts[place] == pytest.approx(float(amount), rel=1e-9, abs=1e-9)


def test_shares_sum_to_exactly_one_and_ties_are_broken_by_place() -> None:
    found = shares(np.ones(7), np.ones(7))
    assert sum(found) == 1
    assert found == sorted(found, reverse=True)
    assert max(found) - min(found) == Decimal("0.000000000000001")


def test_where_effects_are_no_weights_others_stand_in() -> None:
    assert shares(np.array([-1.0, 2.0]), np.array([3.0, 1.0])) == [Decimal("0.75"), Decimal("0.25")]
    assert shares(np.zeros(2), np.ones(2)) == [Decimal("0.5"), Decimal("0.5")]


def test_without_a_converting_path_there_is_no_chain() -> None:
    lost = [
        {"origin": None, "next": 1, "journeys": 2, "amount": 0, "is_lost": False},
        {"origin": 1, "next": None, "journeys": 2, "amount": 0, "is_lost": True},
    ]
    assert assemble(lost, {1: ("a",)}) is None


def test_states_of_refunds_alone_are_left_out() -> None:
    chain = assemble(
        [
            {"origin": None, "next": 1, "journeys": 1, "amount": 0, "is_lost": False},
            {"origin": 1, "next": None, "journeys": 1, "amount": 5, "is_lost": False},
            {"origin": None, "next": 2, "journeys": 0, "amount": 0, "is_lost": False},
            {"origin": 2, "next": None, "journeys": 0, "amount": -5, "is_lost": False},
        ],
        {1: ("a",), 2: ("b",)},
    )
    assert chain is not None
    assert chain.states == [("a",)]


def test_a_chain_that_never_ends_is_refused() -> None:
    nothing = np.zeros(1)
    with pytest.raises(ValueError, match="no journey leaves"):
        removal_effects(Chain([("a",)], np.zeros((1, 1)), np.ones(1), nothing, nothing, nothing))
