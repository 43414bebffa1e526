"""What reaches a company beside its customers: bots, bounces, lists, withheld callers, shared machines, odd clocks."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from customer360.demo.people import Account, Person, uuid
from customer360.demo.story import PAGES, Event, visit

# Events without a person, per customer. A fifth of the web server's hits are bots'.
RATES: Final = {
    "hit": 9.0,
    "bot_hit": 2.25,
    "withheld": 0.12,
    "internal_call": 0.15,
    "bounce": 0.08,
    "list_mail": 0.25,
    "spam_sms": 0.05,
    "group_sms": 0.01,
    "draft_sms": 0.004,
}
# Nights on which clocks go back: the hour from 2 to 3 comes twice.
CLOCK_CHANGES: Final = tuple(
    datetime(year, 10, day, tzinfo=UTC) for year, day in ((2023, 29), (2024, 27), (2025, 26), (2026, 25), (2027, 31))
)


def make_noise(
    rng: random.Random, people: list[Person], accounts: list[Account], start: datetime, end: datetime
) -> list[Event]:
    """Everything between `start` and `end` that is not somebody's journey."""

    def moment() -> datetime:
        return start + (end - start) * rng.random()

    events = [
        Event(kind, moment(), None, {"page": rng.choice(PAGES)})
        for kind, rate in RATES.items()
        for _ in range(max(1, int(len(people) * rate)))
    ]
    for account in accounts:  # the firm writes and rings as such: nobody in particular
        for kind in ("role_mail", "switchboard_call"):
            events += [
                Event(kind, moment(), None, {"account": account, "tags": (kind,)}) for _ in range(rng.randrange(1, 9))
            ]
    events += _form_bot(rng, people, moment())
    events += _kiosk(rng, people, start, end)
    events += _in_the_hour_twice(rng, people, start, end)
    return [event for event in events if start <= event.at < end]


def _form_bot(rng: random.Random, people: list[Person], at: datetime) -> list[Event]:
    """A script that fills the contact form with addresses of real customers, from one browser."""
    browser = uuid(rng)
    victims = rng.sample(people, min(40, len(people)))
    return [
        Event("bot_form", at + timedelta(seconds=3 * number), None,
              {"email": victim.email, "anonymous_id": browser, "tags": ("form_bot",)})
        for number, victim in enumerate(victims)
    ]  # fmt: skip


def _kiosk(rng: random.Random, people: list[Person], start: datetime, end: datetime) -> list[Event]:
    """A computer in the showroom: many sign in, one browser."""
    cookie = uuid(rng)
    signed_up = [person for person in people if person.user_id and person.arrives < end - timedelta(days=60)]
    events: list[Event] = []
    for person in rng.sample(signed_up, min(25, len(signed_up))):
        at = max(start, person.arrives) + timedelta(days=rng.uniform(30, 59))
        if person.leaves is None:
            events += visit(rng, person, at, signed_in=person.user_id, cookie=cookie, tags=("kiosk",))
    return events


def _in_the_hour_twice(rng: random.Random, people: list[Person], start: datetime, end: datetime) -> list[Event]:
    """Calls in the hour that the clocks run through twice, once in each."""
    nights = [night for night in CLOCK_CHANGES if start < night < end]
    events: list[Event] = []
    for night in nights:
        there = [person for person in people if person.arrives < night - timedelta(days=90) and not person.leaves]
        for person in rng.sample(there, min(6, len(there))):
            at = night + timedelta(minutes=rng.randrange(120))
            events.append(Event("call", at, person, {"inbound": True, "line": "mobile", "tags": ("dst_hour",)}))
    return events
