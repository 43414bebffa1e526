"""What the lifecycle's marts must say, worked out row by row in Python from transitions and contacts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

STAGES = ("unidentified", "prospect", "opportunity", "order_customer", "user")
DAY = timedelta(days=1)
Row = Mapping[str, object]


def local_day(moment: datetime, zone: str) -> date:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()


def daily(transitions: Iterable[Row], zone: str, first: date, last: date) -> dict[tuple[date, str], tuple[int, ...]]:
    """{(day, stage): (opening, entries, exits, closing)} of each day from `first` to `last`."""
    entries: Counter[tuple[date, object]] = Counter()
    exits: Counter[tuple[date, object]] = Counter()
    standing: Counter[object] = Counter()
    for row in transitions:
        day = local_day(row["occurred_at"], zone)  # type: ignore[arg-type]
        entries[day, row["to_stage"]] += 1
        exits[day, row["from_stage"]] += 1
        if day < first:
            standing[row["to_stage"]] += 1
            standing[row["from_stage"]] -= 1
    found = {}
    for number in range((last - first).days + 1):
        day = first + number * DAY
        for stage in STAGES:
            opening, came, left = standing[stage], entries[day, stage], exits[day, stage]
            standing[stage] = opening + came - left
            found[day, stage] = (opening, came, left, standing[stage])
    return found


def median_days(stays: Iterable[tuple[int, bool]]) -> int | None:
    """Kaplan and Meier's median of (days, is_over): the first day at which the exact curve is at most a half."""
    rows = sorted(stays)
    curve = Fraction(1)
    for days in sorted({days for days, _ in rows}):
        at_risk = sum(each >= days for each, _ in rows)
        curve *= 1 - Fraction(sum(is_over for each, is_over in rows if each == days), at_risk)
        if curve <= Fraction(1, 2):
            return days
    return None


def stays(transitions: Iterable[Row], as_of: datetime) -> dict[object, list[tuple[str, int, bool]]]:
    """{customer: (stage, whole days, is_over) of each stay, in order}; one that goes on lasts until the night."""
    moves: dict[object, list[Row]] = defaultdict(list)
    for row in sorted(transitions, key=lambda each: (each["customer_id"], each["transition_number"])):
        moves[row["customer_id"]].append(row)
    found = {}
    for customer, rows in moves.items():
        ends = [row["occurred_at"] for row in rows[1:]] + [as_of]
        found[customer] = [
            (row["to_stage"], (end - row["occurred_at"]) // DAY, place < len(rows) - 1)  # type: ignore[operator]
            for place, (row, end) in enumerate(zip(rows, ends, strict=True))
        ]
    return found  # type: ignore[return-value]


def dormant(signs: Iterable[datetime], days: int, as_of: datetime) -> list[tuple[datetime, datetime | None]]:
    """Times without a sign of life: from so many days after one until the next, or until now (None)."""
    ordered = sorted(set(signs))
    found: list[tuple[datetime, datetime | None]] = []
    for sign, following in zip(ordered, [*ordered[1:], None], strict=True):
        begins = sign + days * DAY
        if begins <= as_of and (following is None or begins < following):
            found.append((begins, following))
    return found
