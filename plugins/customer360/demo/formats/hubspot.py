"""HubSpot: CSV exports of contacts, companies and deals of private customers and one-person firms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from customer360.demo.formats.desk import AGENTS, OWN_NUMBER, Desk, berlin, national, table
from customer360.demo.formats.salesforce import purchase_number, stated
from customer360.demo.names import typed
from customer360.demo.people import Person
from customer360.demo.story import Event

_HEADERS: Final = {
    "contacts": "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Street Address,City,Postal Code,"
    "Country/Region,Date of birth,Original Source,Lifecycle Stage,Contact owner,Associated Company IDs,"
    "Unsubscribed from all email,Create Date,Last Modified Date",
    "companies": "Record ID,Company name,Phone Number,City,Create Date,Last Modified Date",
    "deals": "Record ID,Deal Name,Deal Stage,Amount,Currency,Deal owner,Associated Contact IDs,Create Date,Close Date,"
    "Last Modified Date",
    "deal_stages": "deal_id,value,date_entered",
}
_PLACEHOLDERS: Final = ("keine@mail.example.com", "noemail@example.com", "test@example.com")


def hubspot(desk: Desk, events: Sequence[Event]) -> dict[str, bytes]:
    """One CSV per object that has rows."""
    rows: dict[str, dict[str, list[Any]]] = {name: {} for name in _HEADERS}
    for event in events:
        person = event.person
        if person is None or person.in_salesforce:
            continue
        if event.kind in {"crm", "crm_change"}:
            _contact(desk, event, person, rows)
        elif event.kind == "deal":
            _deal(desk, event, person, rows)
    return {name: content for name, header in _HEADERS.items() if (content := table(header, list(rows[name].values())))}


def _contact(desk: Desk, event: Event, person: Person, rows: dict[str, dict[str, list[Any]]]) -> None:
    """The contact as typed, sometimes with nobody's number or address in it."""
    rng, identifier = desk.rng, person.hubspot_id
    before = rows["contacts"].get(identifier)
    if before:  # changed in the same export: all else stays as it was typed
        desk.note("hubspot", "contact", identifier, person, event)
        rows["contacts"][identifier] = [*before[:2], f"{person.family}-Nordmann", *before[3:-1], berlin(event.at)]
        return
    given, family, phenomenon = typed(rng, person.given, person.family)
    if event.kind == "crm_change":
        family = f"{person.family}-Nordmann"
    tags = [phenomenon] if phenomenon else []
    phone, email = person.landline or "", person.email
    chance = rng.random()
    if chance < 0.02:
        phone, tags = OWN_NUMBER, [*tags, "own_number_typed"]
    elif chance < 0.03:
        phone, tags = "000000000", [*tags, "placeholder_phone"]
    elif chance < 0.045:
        email, tags = rng.choice(_PLACEHOLDERS), [*tags, "placeholder_email"]
    elif chance < 0.055:
        email, tags = rng.choice(AGENTS), [*tags, "agent_address_typed"]
    made, at = berlin(event.data.get("created", event.at)), berlin(event.at)
    company = str(800_000 + person.person_id) if person.is_trader else ""
    desk.note("hubspot", "contact", identifier, person, event, *tags)
    rows["contacts"][identifier] = [
        identifier, given, family, email, national(phone), national(person.mobile) if rng.random() < 0.6 else "",
        person.street, person.city, person.postal_code, "Germany",
        person.birth_date.isoformat() if _states_birth(person, rng.random()) else "", stated(desk, person), "Lead",
        AGENTS[person.person_id % 2], company, str(not person.subscribed).lower(), made, at,
    ]  # fmt: skip
    if company:
        desk.note("hubspot", "account", company, None, event, "sole_trader")
        rows["companies"][company] = [
            company,
            f"{person.name} Montagen",
            national(person.landline or ""),
            person.city,
            made,
            at,
        ]


def _states_birth(person: Person, chance: float) -> bool:
    """Two in five give their date of birth; those who are hard to tell apart always do."""
    return chance < 0.4 or bool({"senior_junior", "twins"} & set(person.notes))


def _deal(desk: Desk, event: Event, person: Person, rows: dict[str, dict[str, list[Any]]]) -> None:
    identifier, stage = str(9_000_000 + purchase_number(event)), event.data["stage"]
    desk.note("hubspot", "opportunity", identifier, person, event)
    rows["deals"][identifier] = [
        identifier, event.data["product"], stage, event.data["amount"], "EUR", AGENTS[person.person_id % 2],
        person.hubspot_id, berlin(event.data["opened"]), berlin(event.at) if stage.startswith("Closed") else "",
        berlin(event.at),
    ]  # fmt: skip
    rows["deal_stages"][f"{identifier}/{stage}"] = [identifier, stage, berlin(event.at)]
