"""Attribution models side by side: what each gives to each origin, what nobody earned, and that all add up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from customer360.marketing.reading import Snapshot

# From the one contact that is easiest to see to the rules that weigh all of them.
MODELS = (
    "first",
    "last",
    "last_non_direct",
    "linear",
    "position_based",
    "w_shaped",
    "time_decay",
    "markov",
    "shapley",
)
UNATTRIBUTED = "unattributed"
_IS_UNATTRIBUTED = f"'{UNATTRIBUTED}' in (a.acquisition_source, a.channel_group, a.traffic_source, a.campaign)"
# What rows are told apart by: the grain of the table, and its column.
BY = {
    "acquisition": ("channel", "acquisition_source"),
    "channel": ("channel", "channel_group"),
    "source": ("source", "traffic_source"),
    "campaign": ("campaign", "campaign"),
}
MEASURES = ("conversions", "amount")


class NotComparable(ValueError):
    """Something was asked for that the table does not have."""


@dataclass(frozen=True, slots=True)
class Line:
    """One origin: its value under each model, in the comparison's order of models, and what was spent on it."""

    label: str
    values: tuple[Decimal, ...]
    spend: Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """`lines` without the unattributed, largest first; lines, `unattributed` and nothing else make `total`."""

    by: str
    conversion_set: str
    measure: str
    since: date
    until: date
    models: tuple[str, ...]
    lines: tuple[Line, ...]
    unattributed: Line
    total: Line

    @property
    def all_lines(self) -> tuple[Line, ...]:
        return (*self.lines, self.unattributed, self.total)

    @property
    def agrees(self) -> bool:
        """Whether every model shares out the same conversions."""
        return len(set(self.total.values)) <= 1


@dataclass(frozen=True, slots=True)
class Months:
    """First and last month that a conversion set has conversions or spend in, both inclusive."""

    first: date
    last: date


def conversion_sets(data: Snapshot) -> dict[str, Months]:
    """Sets of conversions that the table has, with the months they cover."""
    return {
        name: Months(first, last)
        for name, first, last in data.ask(
            "select conversion_set, min(month), max(month) from marketing.attribution_v1 group by 1 order by 1"
        )
    }


def grains(data: Snapshot) -> set[str]:
    """Grains that the table has rows of."""
    return {name for (name,) in data.ask("select distinct grain from marketing.attribution_v1")}


def compare(
    data: Snapshot, by: str, conversion_set: str, measure: str, since: date | None = None, until: date | None = None
) -> Comparison:
    """Models side by side for the months from `since` to `until`, both included.

    Raises NotComparable for a set, a measure or a way to tell rows apart that the table does not have.
    """
    known = conversion_sets(data)
    if conversion_set not in known:
        raise NotComparable(f"no conversions are called {conversion_set}; known: {', '.join(known)}")
    if by not in BY or BY[by][0] not in grains(data):
        raise NotComparable(f"cannot compare by {by}; ways to compare: {', '.join(BY)}")
    if measure not in MEASURES:
        raise NotComparable(f"no measure is called {measure}; known: {', '.join(MEASURES)}")
    grain, column = BY[by]
    since, until = since or known[conversion_set].first, until or known[conversion_set].last
    # Asked once for every period and measure.
    found = data.ask(
        f"select case when {_IS_UNATTRIBUTED} then '' else a.{column} end, a.model, a.month, sum(a.conversions),"
        " sum(a.amount), sum(a.spend) from marketing.attribution_v1 a where a.grain = %s and a.conversion_set = %s"
        " group by 1, 2, 3",
        (grain, conversion_set),
    )
    place = 3 + MEASURES.index(measure)
    cells: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for row in found:
        if since <= row[2] <= until:
            value, spend = cells.get(row[:2], (Decimal(), Decimal()))
            cells[row[:2]] = (value + row[place], spend + row[5])
    names = {model for _, model in cells}
    models = (*(name for name in MODELS if name in names), *sorted(names - set(MODELS)))
    lines = [_line(label, models, cells) for label in {label for label, _ in cells} - {""}]
    unattributed = _line("", models, cells)
    everything = [*lines, unattributed]
    total = Line(
        "total",
        tuple(sum((line.values[place] for line in everything), Decimal()) for place in range(len(models))),
        sum((line.spend for line in everything), Decimal()),
    )
    lines.sort(key=lambda line: (-max(line.values, default=Decimal()), -line.spend, line.label))
    return Comparison(by, conversion_set, measure, since, until, models, tuple(lines), unattributed, total)


def _line(label: str, models: tuple[str, ...], cells: dict[tuple[str, str], tuple[Decimal, Decimal]]) -> Line:
    found = [cells.get((label, model), (Decimal(), Decimal())) for model in models]
    # Spend stands again under every model.
    return Line(
        label or UNATTRIBUTED, tuple(value for value, _ in found), max((spend for _, spend in found), default=Decimal())
    )
