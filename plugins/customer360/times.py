"""Nights: the instant up to which a run looks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def parse_as_of(text: str, zone: ZoneInfo) -> datetime:
    """'2026-03-01' → first instant of that day in `zone`; an ISO 8601 instant must carry an offset.

    Returns UTC. Raises ValueError otherwise.
    """
    text = text.strip()
    try:
        return datetime.combine(date.fromisoformat(text), time.min, tzinfo=zone).astimezone(UTC)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"as_of {text!r} is neither a date (2026-03-01) nor an ISO 8601 instant") from None
    if instant.tzinfo is None:
        raise ValueError(f"as_of {text!r} needs an offset, as in {text}+01:00, or only a date")
    return instant.astimezone(UTC)
