"""What the made-up people do over two years: a list of events in order of time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from customer360.demo.people import Person

STAGES = ("Qualification", "Needs Analysis", "Proposal", "Negotiation")
PRODUCTS = ("drill", "saw", "sander", "compressor", "battery set")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at` (UTC). `person` None: a bot, a withheld caller, nobody."""

    kind: (
        str  # visit, form, order_web, call, call_mobile, sms_in, sms_out, mail_in, mail_out, fair, crm, deal, order, …
    )
    at: datetime
    person: Person | None
    data: dict[str, Any] = field(default_factory=dict)


def tell(rng: random.Random, people: list[Person], end: datetime) -> list[Event]:
    """Every person's journey until `end`, and noise around it, sorted by time."""
    events: list[Event] = []
    for person in people:
        events += [event for event in _journey(rng, person, end) if event.at < end]
    events += _noise(rng, min(person.arrives for person in people), end, len(people))
    return sorted(events, key=lambda event: (event.at, event.kind, event.person.person_id if event.person else 0))


def _journey(rng: random.Random, person: Person, end: datetime) -> list[Event]:
    at = person.arrives
    events = _arrival(rng, person, at)
    if rng.random() < 0.25:  # looked once and never came back
        return events
    identified = at + timedelta(days=rng.expovariate(1 / 6), minutes=20)
    if rng.random() < 0.8:
        person.user_id = f"u{person.person_id:06d}"
        events += _visit(rng, person, identified - timedelta(minutes=3), {}, None)
        events.append(Event("form", identified, person))
    known = identified + timedelta(hours=rng.uniform(1, 30))
    number = person.person_id
    person.crm_id = f"003-{number}" if person.account else str(700000 + number)
    events.append(Event("crm", known, person))
    events += _small_talk(rng, person, known, min(end, person.mobile_until or end))
    if rng.random() < (0.7 if person.account else 0.45):
        events += _buying(rng, person, known)
    return events


def _arrival(rng: random.Random, person: Person, at: datetime) -> list[Event]:
    campaign = person.campaign
    if campaign.name == "trade_fair":
        return [Event("fair", at, person)]
    if campaign.name == "field_sales":
        return [Event("call", at, person, {"inbound": True, "mobile": not person.landline})]
    return _visit(
        rng, person, at, campaign.utm | ({"campaign": campaign.name} if campaign.utm else {}), campaign.referrer
    )


def _visit(rng: random.Random, person: Person, at: datetime, utm: dict[str, str], referrer: str | None) -> list[Event]:
    session = f"{rng.getrandbits(64):016x}"
    pages = [Event("visit", at, person, {"utm": utm, "referrer": referrer, "session": session, "first": True})]
    for _ in range(rng.randrange(0, 4)):
        at += timedelta(seconds=rng.randrange(20, 240))
        pages.append(Event("visit", at, person, {"utm": {}, "referrer": None, "session": session, "first": False}))
    return pages


def _small_talk(rng: random.Random, person: Person, known: datetime, end: datetime) -> list[Event]:
    events: list[Event] = []
    at = known
    for _ in range(rng.randrange(2, 16)):
        at += timedelta(days=rng.expovariate(1 / 25))
        if at >= end:
            break
        kind = rng.choices(("call", "call_mobile", "sms_in", "sms_out", "mail_in", "mail_out", "visit", "newsletter", "handset"),
                           (18, 8, 5, 10, 18, 10, 18, 8, 5))[0]  # fmt: skip
        if kind == "visit":
            events += _visit(rng, person, at, {}, None)
        else:
            events.append(Event(kind, at, person, {"inbound": rng.random() < 0.7, "mobile": rng.random() < 0.6}))
    if rng.random() < 0.03:
        events.append(Event("stop", at, person))
    if rng.random() < 0.03:
        events.append(Event("auto_reply", at, person))
    return events


def _buying(rng: random.Random, person: Person, known: datetime) -> list[Event]:
    events: list[Event] = []
    at = known + timedelta(days=rng.expovariate(1 / 20))
    for cycle in range(rng.choices((1, 2, 3), (70, 20, 10))[0]):
        amount = Decimal(rng.randrange(4_900, 90_000 if not person.account else 900_000)) / 100
        key = f"{person.person_id}-{cycle}"
        if not person.account and rng.random() < 0.5:
            events.append(Event("order_web", at, person, {"key": key, "amount": amount}))
            at += timedelta(days=rng.uniform(60, 240))
            continue
        won = rng.random() < 0.6
        opened = at
        stages = []
        for stage in STAGES[: rng.randrange(2, 5)]:
            stages.append((stage, at))
            at += timedelta(days=rng.expovariate(1 / 9), hours=1)
        stages.append(("Closed Won" if won else "Closed Lost", at))
        deal = {"key": key, "amount": amount, "stages": stages, "opened": opened, "product": rng.choice(PRODUCTS)}
        events += [Event("deal", moment, person, deal | {"now": place}) for place, (_, moment) in enumerate(stages)]
        if not won:
            break
        delivered = at + timedelta(days=rng.uniform(2, 20))
        order = {"key": key, "amount": amount, "ordered": at, "delivered": delivered}
        events += [
            Event("order", at, person, order | {"done": False}),
            Event("order", delivered, person, order | {"done": True}),
        ]
        at = delivered + timedelta(days=rng.uniform(60, 240))
    return events


def _noise(rng: random.Random, start: datetime, end: datetime, people: int) -> list[Event]:
    def moment() -> datetime:
        return start + (end - start) * rng.random()

    kinds = {
        "bot_hit": 3,
        "hit": 4,
        "withheld": 0.1,
        "internal_call": 0.15,
        "bounce": 0.05,
        "list_mail": 0.1,
        "info_mail": 0.05,
    }
    return [Event(kind, moment(), None) for kind, share in kinds.items() for _ in range(int(people * share))]
