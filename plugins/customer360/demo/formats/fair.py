"""Trade fairs: the list of visitors kept at the stand, with German headers in a Windows code page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from customer360.demo.campaigns import FAIRS
from customer360.demo.formats.desk import Desk, berlin, csv_bytes, national
from customer360.demo.names import ascii_name
from customer360.demo.story import BERLIN, Event

_HEADER = ["Nr", "Vorname", "Nachname", "Firma", "E-Mail", "Telefon", "Zeitpunkt", "Gespräch mit", "Interesse"]


def fairs(desk: Desk, events: Iterable[Event]) -> dict[str, bytes]:
    """One list per fair, by its first day; decimal comma, semicolons, day before month."""
    rows: dict[str, list[list[object]]] = defaultdict(list)
    for event in events:
        person = event.person
        if event.kind != "fair" or person is None:
            continue
        number = f"M{person.person_id:05d}"
        for kind in ("form", "interaction"):
            desk.note("trade_fair", kind, number, person, event)
        rows[_fair(event.at.astimezone(BERLIN).date())].append([
            number, _encodable(person.given), _encodable(person.family), person.account.name if person.account else "",
            person.email, national(person.mobile), berlin(event.at, "%d.%m.%Y %H:%M"),
            desk.rng.choice(("Brandt", "Lorenzen")), f"{desk.rng.randrange(1, 50)},5",
        ])  # fmt: skip
    return {name: csv_bytes([_HEADER, *found], delimiter=";", encoding="cp1252") for name, found in rows.items()}


def _fair(day: date) -> str:
    """First day of the fair that `day` belongs to; the day itself outside fairs."""
    return next((first for first in FAIRS if first <= day < first + timedelta(days=3)), day).isoformat()


def _encodable(name: str) -> str:
    """As typed on a German keyboard where the code page lacks a letter."""
    try:
        name.encode("cp1252")
    except UnicodeEncodeError:
        return ascii_name(name)
    return name
