"""Attribution by an absorbing Markov chain of first order, solved exactly.

A journey is a chain of states (the channels, sources or campaigns of its touches) from a start to a conversion, or to
nothing. Transition probabilities are relative frequencies over all journeys. The removal effect of a state is the
share of conversions that is lost when whoever reaches it goes no further (Anderl, Becker, von Wangenheim, Schumann:
Mapping the customer journey, IJRM 33 (2016) 457-474); credit is in proportion to it.

With N = (I - Q)^-1, the expected visits, and h = N r, the chance to convert from each state, a removal loses exactly
    P - P_k = N[start, k] h[k] / N[k, k],
the chance ever to reach k times that to convert from there (Kemeny, Snell: Finite Markov Chains, 1960, ch. III): one
factorisation answers for every state. The same holds with an expected amount in the place of the chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa

from customer360.attribution.config import AttributionConfig
from customer360.engines.base import Engine

DIGITS: Final = 15  # of a share
_WHOLE: Final = 10**DIGITS
_GRAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "channel": ("acquisition_source", "channel_group"),
    "source": ("traffic_source",),
    "campaign": ("acquisition_source", "channel_group", "campaign"),
}
_DIMENSIONS: Final = ("acquisition_source", "channel_group", "traffic_source", "campaign")
_DECIMAL: Final = pa.decimal128(16, DIGITS)
SCHEMA: Final = pa.schema(
    [
        ("grain", pa.string()),
        ("conversion_set", pa.string()),
        *((name, pa.string()) for name in _DIMENSIONS),
        ("removal_effect", _DECIMAL),
        ("share", _DECIMAL),
        ("amount_share", _DECIMAL),
    ]
)
State = tuple[str, ...]
Rows = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Chain:
    """Counted transitions between n states. `moves[i, j]` from state i to j; `starts`, `conversions` and `losses` are
    what journeys begin and end with; `amounts` is the sum that the conversions ending in each state are worth."""

    states: Sequence[State]
    moves: np.ndarray  # (n, n)
    starts: np.ndarray  # (n,)
    conversions: np.ndarray  # (n,)
    losses: np.ndarray  # (n,)
    amounts: np.ndarray  # (n,)


@dataclass(frozen=True, slots=True)
class Effects:
    """Per state: the shares of all conversions, and of their amount, that are lost without it."""

    conversions: np.ndarray
    amounts: np.ndarray


def removal_effects(chain: Chain) -> Effects:
    """Exact removal effects; zeros where nothing converts. Raises ValueError for a chain without an end."""
    leaving = chain.moves.sum(axis=1) + chain.conversions + chain.losses
    if (leaving < 0).any() or (chain.moves < 0).any() or chain.starts.sum() <= 0:
        raise ValueError("a chain needs journeys, and no count below zero")
    if (leaving == 0).any():
        raise ValueError("a state that no journey leaves")
    inner = np.eye(len(leaving)) - chain.moves / leaving[:, None]
    visits = np.linalg.inv(inner)  # N
    reached = (chain.starts / chain.starts.sum()) @ visits / np.diag(visits)
    won = visits @ (chain.conversions / leaving)
    worth = visits @ (chain.amounts / leaving)
    begun = chain.starts / chain.starts.sum()
    return Effects(_relative(reached * won, begun @ won), _relative(reached * worth, begun @ worth))


def _relative(lost: np.ndarray, whole: float) -> np.ndarray:
    return lost / whole if whole else np.zeros_like(lost)


def shares(effects: np.ndarray, otherwise: np.ndarray) -> list[Decimal]:
    """Effects as shares of DIGITS digits that sum to exactly 1: the largest remainders are rounded up, of equal ones
    the first. Where effects are no weights (one is negative, or all are 0), `otherwise` is what they are taken for."""
    weights = effects if (effects >= 0).all() and effects.sum() > 0 else otherwise
    parts = [int(part) for part in np.floor(weights / weights.sum() * _WHOLE)]
    rest = _WHOLE - sum(parts)
    remainders = weights / weights.sum() * _WHOLE - np.floor(weights / weights.sum() * _WHOLE)
    order = sorted(range(len(parts)), key=lambda index: (-remainders[index], index))
    while rest:  # floating point may leave a few more, or be a few over
        for index in order:
            step = (rest > 0) - (rest < 0)
            if step and parts[index] + step >= 0:
                parts[index] += step
                rest -= step
    return [Decimal(part).scaleb(-DIGITS) for part in parts]


# In the pipeline ----------------------------------------------------------------------------------


def solve(engine: Engine, config: AttributionConfig) -> int:
    """Count the transitions of all journeys in the engine, solve every grain and set, and write `attribution.markov`;
    the number of its rows."""
    origins = {row["origin_id"]: row for row in engine.read(_origins(engine)).to_pylist()}
    counted = _count(engine, config)
    rows: list[dict[str, Any]] = []
    for grain, dimensions in _GRAINS.items():
        named = {key: tuple(row[name] for name in dimensions) for key, row in origins.items()}
        for conversion in config.conversions:
            chain = assemble(counted[conversion.conversion_set], named)
            if chain is not None:
                rows += _rows(grain, conversion.conversion_set, dimensions, chain)
    engine.write("attribution", "markov", pa.Table.from_pylist(rows, schema=SCHEMA))
    return len(rows)


def _rows(grain: str, conversion_set: str, dimensions: Sequence[str], chain: Chain) -> Iterable[dict[str, Any]]:
    effects = removal_effects(chain) if chain.conversions.any() else Effects(chain.conversions, chain.conversions)
    even = np.ones(len(chain.states))
    by_count = shares(effects.conversions, even)
    by_amount = shares(effects.amounts, effects.conversions if effects.conversions.sum() else even)
    for state, effect, share, amount_share in zip(chain.states, effects.conversions, by_count, by_amount, strict=True):
        yield {
            "grain": grain,
            "conversion_set": conversion_set,
            **dict.fromkeys(_DIMENSIONS, "(all)"),
            **dict(zip(dimensions, state, strict=True)),
            "removal_effect": Decimal(round(float(effect) * _WHOLE)).scaleb(-DIGITS),
            "share": share,
            "amount_share": amount_share,
        }


def assemble(transitions: Rows, named: Mapping[int, State]) -> Chain | None:
    """The chain of counted transitions between origins, by what `named` calls each; None if no path converts.

    Rows are {origin, next, journeys, amount}: origin None is the start; next None is the end of `journeys` that
    converted, worth `amount`, or with `is_lost` that did not.
    """
    if all(row["is_lost"] for row in transitions if row["next"] is None):
        return None
    used = {key for row in transitions for key in (row["origin"], row["next"]) if key is not None}
    states = sorted({named[key] for key in used})
    place = {state: index for index, state in enumerate(states)}
    at = {key: place[named[key]] for key in used}
    size = len(states)
    chain = Chain(states, np.zeros((size, size)), *(np.zeros(size) for _ in range(4)))
    amounts: dict[int, Decimal] = {}  # exact sums: rows come in no order
    for row in transitions:
        count = float(row["journeys"])
        if row["origin"] is None:
            chain.starts[at[row["next"]]] += count
        elif row["next"] is not None:
            chain.moves[at[row["origin"]], at[row["next"]]] += count
        elif row["is_lost"]:
            chain.losses[at[row["origin"]]] += count
        else:
            chain.conversions[at[row["origin"]]] += count
            amounts[at[row["origin"]]] = amounts.get(at[row["origin"]], Decimal(0)) + Decimal(row["amount"])
    for index, amount in amounts.items():
        chain.amounts[index] = float(amount)
    return _without_unused(chain)


def _without_unused(chain: Chain) -> Chain:
    """States of refunds alone have no journey: they are left out, their amounts with them."""
    kept = chain.moves.sum(axis=1) + chain.conversions + chain.losses > 0
    if not kept.any():
        kept = np.ones(len(kept), dtype=bool)
    return Chain(
        [state for state, is_kept in zip(chain.states, kept, strict=True) if is_kept],
        chain.moves[np.ix_(kept, kept)],
        *(each[kept] for each in (chain.starts, chain.conversions, chain.losses, chain.amounts)),
    )


def _origins(engine: Engine) -> str:
    """Origins of all touches with their dimensions."""
    return f"""
        select origin_id, max(acquisition_source) as acquisition_source, max(channel_group) as channel_group,
            max(traffic_source) as traffic_source, coalesce(max(campaign), '(none)') as campaign
        from {_tally(engine, "touched_origin")}
        group by origin_id
    """


def _count(engine: Engine, config: AttributionConfig) -> dict[str, list[dict[str, Any]]]:
    """{conversion set: transitions, as `assemble` takes them}."""
    counted: dict[str, list[dict[str, Any]]] = {each.conversion_set: [] for each in config.conversions}
    for row in engine.read(f"select * from {_tally(engine, 'converted_step')}").to_pylist():
        told = counted[row["conversion_set"]]
        told.append(_move(row["previous_origin_id"], row["origin_id"], row["journeys"]))
        if row["is_last"]:
            told.append(_move(row["origin_id"], None, row["journeys"], amount=row["amount"]))
    if config.transform == "every":
        answered = engine.read(f"select * from {_tally(engine, 'answered_step')}").to_pylist()
        lost = partial(_lost_as_they_are, engine.read(_everyone(engine)).to_pylist(), answered)
    else:
        lost = partial(_lost_transformed, engine, config)
    for name, told in counted.items():
        told += lost(name)
    return counted


def _move(origin: int | None, following: int | None, journeys: Any, **more: Any) -> dict[str, Any]:
    return {"origin": origin, "next": following, "journeys": int(journeys), "amount": 0, "is_lost": False} | more


def _everyone(engine: Engine) -> str:
    """Steps between all touches of all customers."""
    return f"""
        select previous_origin_id, origin_id, is_last_touch, cast(sum(touches) as bigint) as touches
        from {_tally(engine, "step")}
        group by previous_origin_id, origin_id, is_last_touch
    """


def _tally(engine: Engine, name: str) -> str:
    return engine.qualify("intermediate", f"int_attribution__{name}")


def _last_converted(engine: Engine, conversion_set: str) -> str:
    return f"""
        select customer_id, max(converted_at) as converted_at
        from {engine.qualify("marts", "attribution_credit")}
        where conversion_set = '{conversion_set}' and conversions = 1
        group by customer_id
    """


def _lost_as_they_are(everyone: Rows, answered: Rows, conversion_set: str) -> list[dict[str, Any]]:
    """Journeys that led nowhere: each customer's touches after the last conversion, or all. Few customers convert: of
    the steps of `everyone` those that led to a conversion are taken off. Of what came after the last conversion only
    the first touch is needed: a journey begins anew with it, unless nothing came before."""
    found: dict[tuple[int | None, int | None], int] = {}

    def add(origin: int | None, following: int | None, journeys: int) -> None:
        found[origin, following] = found.get((origin, following), 0) + journeys

    for row in everyone:
        add(row["previous_origin_id"], row["origin_id"], row["touches"])
        if row["is_last_touch"]:
            add(row["origin_id"], None, row["touches"])
    for row in answered:
        if row["conversion_set"] != conversion_set:
            continue
        add(row["previous_origin_id"], row["origin_id"], -row["touches"])
        if row["is_anew"]:
            add(None, row["origin_id"], row["touches"])
        elif row["is_last_touch"]:
            add(row["origin_id"], None, -row["touches"])
    return [
        _move(origin, following, journeys, is_lost=following is None)
        for (origin, following), journeys in found.items()
        if journeys
    ]


def _lost_transformed(engine: Engine, config: AttributionConfig, conversion_set: str) -> list[dict[str, Any]]:
    """The same where only some touches of a path count."""
    state = {
        "channel": "t.channel_group",
        "source": "t.traffic_source",
        "campaign": "t.channel_group, coalesce(t.campaign, '')",
    }[config.grain]
    partition = "t.customer_id" if config.transform == "first_last" else f"t.customer_id, {state}"
    ends = "or place_from_last = 1" if config.transform == "first_last" else ""
    query = f"""
        with told as (
            select t.customer_id, t.touch_id, t.touched_at, t.origin_id,
                row_number() over (partition by {partition} order by t.touched_at, t.touch_id) as place,
                row_number() over (partition by {partition} order by t.touched_at desc, t.touch_id desc)
                    as place_from_last
            from {engine.qualify("marts", "attribution_touches")} as t
            left join ({_last_converted(engine, conversion_set)}) as c on t.customer_id = c.customer_id
            where c.converted_at is null or t.touched_at > c.converted_at
        ),
        moves as (
            select lag(origin_id) over by_time as previous_origin_id, origin_id,
                lead(origin_id) over by_time is null as is_last
            from told
            where place = 1 {ends}
            window by_time as (partition by customer_id order by touched_at, touch_id)
        )
        select previous_origin_id, origin_id, is_last, cast(count(*) as bigint) as journeys
        from moves group by 1, 2, 3
    """
    found: list[dict[str, Any]] = []
    for row in engine.read(query).to_pylist():
        found.append(_move(row["previous_origin_id"], row["origin_id"], row["journeys"]))
        if row["is_last"]:
            found.append(_move(row["origin_id"], None, row["journeys"], is_lost=True))
    return found
