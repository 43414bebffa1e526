"""What the made-up people do until the last night: every journey as a list of events in order of time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from customer360.demo.people import Person

BERLIN: Final = ZoneInfo("Europe/Berlin")
STAGES: Final = ("Qualification", "Needs Analysis", "Proposal", "Negotiation")
PRODUCTS: Final = ("drill", "saw", "sander", "compressor", "battery set")
PAGES: Final = ("/", "/akkuschrauber", "/kreissaegen", "/kompressoren", "/angebote", "/haendler")
# Small talk: kind of contact and its weight.
CONTACTS: Final = (
    *(("call", 18), ("call_cloud", 9), ("sms_in", 8), ("sms_out", 9), ("mail_in", 18), ("mail_out", 11)),
    *(("visit", 40), ("handset", 5)),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at` (UTC). `person` None: a bot, a withheld caller, nobody in particular.

    Kinds: visit, ping, form, order_shop, call, call_cloud, sms_in, sms_out, stop, handset, mail_in, mail_out,
    newsletter, auto_reply, fair, lead, crm, crm_change, deal, order; those of noise.py have no person. `data` holds
    what the kind needs; `data['tags']` names phenomena.
    """

    kind: str
    at: datetime
    person: Person | None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.data.get("tags", ()))

    @property
    def order(self) -> tuple[datetime, str, int]:
        """Sort key."""
        return self.at, self.kind, self.person.person_id if self.person else 0


def tell(rng: random.Random, people: list[Person], end: datetime) -> list[Event]:
    """Every person's journey until `end`."""
    events: list[Event] = []
    newsletters = _newsletter_days(min(person.arrives for person in people), end)
    for person in people:
        stop = min(end, person.leaves or end)
        events += [event for event in _journey(rng, person, newsletters) if event.at < stop]
    return events


def by_day(rng: random.Random, at: datetime) -> datetime:
    """`at`, or the next moment after it at which people are awake (7 to 21 h in Berlin)."""
    local = at.astimezone(BERLIN)
    if 7 <= local.hour < 21:
        return at
    morning = local.replace(hour=7, minute=0, second=0) + timedelta(days=local.hour >= 21)
    return morning.astimezone(UTC) + timedelta(minutes=rng.randrange(300), seconds=rng.randrange(60))


def _newsletter_days(start: datetime, end: datetime) -> list[datetime]:
    """The first of every month, 9 h in Berlin."""
    first = start.astimezone(BERLIN).replace(day=1, hour=9, minute=0, second=0, microsecond=0)
    months = ((first.year * 12 + first.month + step) for step in range((end - start).days // 28 + 1))
    days = (first.replace(year=(month - 1) // 12, month=(month - 1) % 12 + 1) for month in months)
    return [day.astimezone(UTC) for day in days]


def _journey(rng: random.Random, person: Person, newsletters: list[datetime]) -> list[Event]:
    at = by_day(rng, person.arrives)
    events = _arrival(rng, person, at)
    for _ in range(rng.randrange(0, 4) if person.campaign.is_online else 0):  # looking around, unknown
        at = by_day(rng, at + timedelta(days=rng.expovariate(1 / 4), hours=1))
        events += visit(rng, person, at)
    if person.second:
        events += _second_self(rng, person, at)
    if rng.random() < 0.22 and not person.notes:  # never says who they are
        return events
    events, known = _becoming_known(rng, person, at, events)
    events += _small_talk(rng, person, known)
    if person.subscribed:
        events += [Event("newsletter", day + timedelta(seconds=person.person_id % 900), person)
                   for day in newsletters if day > known]  # fmt: skip
    if rng.random() < (0.75 if person.account else 0.5):
        events += _buying(rng, person, known)
    return events


def _arrival(rng: random.Random, person: Person, at: datetime) -> list[Event]:
    campaign = person.campaign
    if campaign.name == "trade_fair":
        return [Event("fair", person.arrives, person)]
    if not campaign.is_online:
        return [Event("call", at, person, {"inbound": True, "line": _line(rng, person)})]
    landing = {"campaign": campaign} if campaign.utm_source else {}
    return visit(rng, person, at, referrer=campaign.referrer, **landing)


def visit(rng: random.Random, person: Person, at: datetime, **landing: Any) -> list[Event]:
    """One visit of the web site: a landing page, further pages, now and then a sign of life.

    `landing`: `campaign`, `referrer`, `signed_in` (an id the site knows the visitor by), `cookie`, `tags`.
    """
    session = f"{rng.getrandbits(64):016x}"
    common = {"session": session, "signed_in": landing.pop("signed_in", None)}
    common |= {name: landing.pop(name) for name in ("cookie", "tags") if name in landing}
    events = [Event("visit", at, person, common | landing | {"page": rng.choice(PAGES)})]
    for _ in range(rng.randrange(0, 6)):
        at += timedelta(seconds=rng.randrange(15, 240))
        events.append(Event("visit", at, person, common | {"page": rng.choice(PAGES)}))
        if rng.random() < 0.08:
            events.append(Event("ping", at + timedelta(seconds=10), person, common | events[-1].data))
    return events


def _second_self(rng: random.Random, person: Person, at: datetime) -> list[Event]:
    """From the workshop's computer: visits, and a form under the other address."""
    second = person.second
    if second is None:
        return []
    at = by_day(rng, at + timedelta(days=rng.uniform(20, 60)))
    other: dict[str, Any] = {"cookie": second.cookie, "tags": ("two_identities",)}
    form = {"email": second.email, "anonymous_id": second.anonymous_id, "user_id": None, "tags": ("two_identities",)}
    seen = visit(rng, person, at, signed_in=second.email, **other)
    return [*seen, Event("form", at + timedelta(minutes=5), person, form)]


def _becoming_known(
    rng: random.Random, person: Person, at: datetime, events: list[Event]
) -> tuple[list[Event], datetime]:
    """A form on the site or not, then the CRM knows them; (events, when)."""
    at = by_day(rng, at + timedelta(days=rng.expovariate(1 / 6), minutes=20))
    if rng.random() < (0.85 if person.campaign.is_online else 0.35):
        guest = rng.random() < 0.25 and person.second is None  # with two selves: one that signs in
        person.user_id = None if guest else f"u{person.person_id:06d}"
        signed_in = person.email if guest and rng.random() < 0.8 else person.user_id
        events += visit(rng, person, at, signed_in=signed_in)
        events.append(Event("form", at + timedelta(seconds=30), person))
    known = at + timedelta(hours=rng.uniform(0.2, 6))
    from_lead = person.in_salesforce and rng.random() < 0.6
    if from_lead:
        events.append(Event("lead", known, person))
        known += timedelta(days=rng.expovariate(1 / 5), hours=1)
    events.append(Event("crm", known, person, {"from_lead": from_lead}))
    if rng.random() < 0.015:
        person.notes.append("changed_surname")
        changed = known + timedelta(days=rng.uniform(30, 200))
        events.append(Event("crm_change", changed, person, {"created": known, "tags": ("changed_surname",)}))
    return events, known


def _small_talk(rng: random.Random, person: Person, known: datetime) -> list[Event]:
    events: list[Event] = []
    kinds, weights = zip(*CONTACTS, strict=True)
    at = known
    for kind in rng.choices(kinds, weights, k=rng.randrange(4, 32)):
        at = by_day(rng, at + timedelta(days=rng.expovariate(1 / 16), minutes=1))
        if kind == "visit":
            events += visit(rng, person, at, signed_in=person.user_id if rng.random() < 0.6 else None)
        else:
            events.append(Event(kind, at, person, {"inbound": rng.random() < 0.7, "line": _line(rng, person)}))
    if rng.random() < 0.03:
        events.append(Event("stop", at, person))
    if rng.random() < 0.05:
        events.append(Event("auto_reply", at, person))
    return events


def _line(rng: random.Random, person: Person) -> str:
    """Which telephone is at hand: mobile or landline (at home or in the firm)."""
    return "landline" if person.landline and rng.random() < 0.5 else "mobile"


def _buying(rng: random.Random, person: Person, known: datetime) -> list[Event]:
    events: list[Event] = []
    at = known + timedelta(days=rng.expovariate(1 / 20))
    for cycle in range(rng.choices((1, 2, 3), (62, 25, 13))[0]):
        at = by_day(rng, at)
        amount = Decimal(rng.randrange(4_900, 900_000 if person.account else 90_000)) / 100
        purchase = {"key": (person.person_id, cycle), "amount": amount, "product": rng.choice(PRODUCTS)}
        if person.account is None and person.user_id and rng.random() < 0.3:  # in the shop, collected at once
            events += visit(rng, person, at - timedelta(minutes=9), signed_in=person.user_id)
            events.append(Event("order_shop", at, person, purchase))
        else:
            at, won, deal = _deal(rng, person, at, purchase)
            events += deal
            if not won:
                break
            at, order = _order(rng, person, at, purchase)
            events += order
        at += timedelta(days=rng.uniform(60, 240))
    return events


def _deal(
    rng: random.Random, person: Person, at: datetime, purchase: dict[str, Any]
) -> tuple[datetime, bool, list[Event]]:
    """(when it is decided, won, one event for each stage entered)."""
    won = rng.random() < 0.6
    stages: list[tuple[str, datetime]] = []
    for stage in STAGES[: rng.randrange(2, 5)]:
        stages.append((stage, at))
        at = by_day(rng, at + timedelta(days=rng.expovariate(1 / 9), hours=1))
    stages.append(("Closed Won" if won else "Closed Lost", at))
    deal = purchase | {"opened": stages[0][1]}
    return at, won, [
        Event("deal", moment, person, deal | {"stage": stage, "place": place})
        for place, (stage, moment) in enumerate(stages)
    ]  # fmt: skip


def _order(rng: random.Random, person: Person, at: datetime, purchase: dict[str, Any]) -> tuple[datetime, list[Event]]:
    """(when it is delivered or called off, the order placed, the message about it, the end of it)."""
    at += timedelta(minutes=rng.randrange(5, 600))
    done = by_day(rng, at + timedelta(days=rng.uniform(2, 20)))
    end = "Cancelled" if rng.random() < 0.03 else "Activated"
    order = purchase | {"ordered": at}
    return done, [
        Event("order", at, person, order | {"status": "Confirmed"}),
        Event("sms_out", at + timedelta(minutes=2), person, {"inbound": False}),
        Event("order", done, person, order | {"status": end}),
    ]
