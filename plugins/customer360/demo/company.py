"""Nordlicht Werkzeuge: a made-up company whose traces fill the landing area, night after night.

The same seed gives the same bytes, file by file. Nothing reads the clock. Who is who, and what truly
happened, is written beside it as the book of truth (`book.py`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from customer360.demo.book import Book
from customer360.demo.formats import fair, hubspot, mail, media, phone, salesforce, sms, web
from customer360.demo.formats.desk import Desk, packed
from customer360.demo.noise import make_noise
from customer360.demo.people import Account, Person, make_people
from customer360.demo.story import BERLIN, Event, tell, visit

HISTORY: Final = timedelta(days=730)
LATE: Final = timedelta(days=27)  # before the first night: a day whose calls and visits arrive with the second
LATE_KINDS: Final = frozenset({"call", "visit", "ping"})
DAY: Final = timedelta(days=1)
Delivery = tuple[str, str]  # path below landing, what is special about it ('' for nothing)


@dataclass
class DemoPlan:
    """Everything decided; `deliver` writes one night of it. Nights count from 0."""

    landing: Path
    truth_folder: Path
    seed: int
    first_night: date
    people: list[Person]
    accounts: list[Account]
    nights: dict[int, list[Event]]  # what each night delivers
    late: list[Event]  # delivered with the second night, a month after it happened
    book: Book = field(default_factory=Book)


def write_company(
    landing: Path, truth: Path, *, seed: int = 7, customers: int = 3000, first_night: date, nights: int = 3
) -> DemoPlan:
    """Decide what happens in the two years before `first_night` and on the days until the last night.

    Writes nothing yet. Raises ValueError for fewer than 50 customers, who cannot show every phenomenon.
    """
    if customers < 50:
        raise ValueError(f"a company of {customers} customers is too small; at least 50")
    rng = random.Random(seed)
    first = _midnight(first_night)
    start, end = first - HISTORY, first + nights * DAY
    people, accounts = make_people(rng, customers, start, end - timedelta(hours=2))
    events = [*tell(rng, people, end), *make_noise(rng, people, accounts, start, end)]
    if nights > 2:
        events += _third_day(rng, people, first)
    plan = DemoPlan(landing, truth, seed, first_night, people, accounts, defaultdict(list), [])
    whole = [replace(event, at=event.at.replace(microsecond=0)) for event in events]  # what every format can say
    for event in sorted(whole, key=lambda each: each.order):
        _queue(plan, event, first)
    return plan


def deliver(plan: DemoPlan, index: int) -> list[Delivery]:
    """Write night `index` into the landing area; what was delivered, and what is special about it.

    Night 0 brings two years. Night 1: late files, a redelivered and a corrected one, broken records and a
    truncated archive. Night 2: the archive again, whole, and forms that show two customers to be one.
    Nights are written in order: later ones deliver files of earlier ones again.
    """
    desk = Desk(
        random.Random(f"{plan.seed}/{index}"), plan.book, plan.accounts, index, sequence=1_000 + index * 1_000_000
    )
    day = plan.first_night + timedelta(days=index - 1)
    mark = "history" if index == 0 else day.isoformat()
    special = _special(index, mark)
    made = [(path, special.get(path, "")) for path in _ordinary(plan, desk, index, mark)]
    if index == 1:
        made += _again_and_late(plan, desk, mark)
    if index == 2:
        made.append(_whole_archive(plan))
    plan.book.write(plan.truth_folder, plan.people)
    return made


def _midnight(day: date) -> datetime:
    """First instant of `day` in Berlin, in UTC."""
    return datetime.combine(day, time.min, tzinfo=BERLIN).astimezone(UTC)


def _queue(plan: DemoPlan, event: Event, first: datetime) -> None:
    if event.at >= first:
        day = event.at.astimezone(BERLIN).date()
        plan.nights[(day - plan.first_night).days + 1].append(event)
    elif event.kind in LATE_KINDS and first - LATE <= event.at < first - LATE + DAY:
        plan.late.append(event)
    else:
        plan.nights[0].append(event)


def _third_day(rng: random.Random, people: Sequence[Person], first: datetime) -> list[Event]:
    """Those with two identities give themselves away from their second browser; somebody orders in the shop."""
    events: list[Event] = []
    at = first + DAY + timedelta(hours=15)
    for number, person in enumerate(each for each in people if each.second):
        second = person.second
        if second is None:
            continue
        moment = at + timedelta(minutes=7 * number)
        form = {"email": person.email, "anonymous_id": second.anonymous_id, "user_id": None}
        events.append(Event("form", moment, person, form | {"tags": ("two_identities", "merged_by_form")}))
        events += visit(rng, person, moment, cookie=second.cookie, signed_in=person.email, tags=("merged_by_form",))
    buyer = next(each for each in people if each.user_id and each.leaves is None and each.arrives < first)
    purchase = {"key": (buyer.person_id, 3), "amount": Decimal("249.00"), "product": "drill"}
    return [*events, Event("order_shop", at, buyer, purchase)]


def _special(index: int, mark: str) -> dict[str, str]:
    if index == 1:
        return {
            f"web/segment/{mark}.jsonl": "two broken records among good ones",
            f"phone/pbx/Master_{mark}.csv": "a call without a readable time, and a row cut short",
            f"web/snowplow/enriched_{mark}.tsv.gz": "an event cut short",
            f"web/access/access-{mark}.log.gz": "a truncated archive",
        }
    if index == 2:
        return {f"web/segment/{mark}.jsonl": "forms that show two customers to be one person"}
    return {}


def _ordinary(plan: DemoPlan, desk: Desk, index: int, mark: str) -> Iterator[str]:
    """Write what every source delivers each night; the paths."""
    for path, content in _files(plan, desk, index, mark):
        if content:
            _put(plan, path, content)
            yield path
    members = mail.maildir(desk, plan.nights[index], mark)
    for name, content in members.items():
        _put(plan, f"email/support/{name}", content)
    (plan.landing / "email/support/tmp").mkdir(parents=True, exist_ok=True)
    if members:
        yield "email/support"


def _files(plan: DemoPlan, desk: Desk, index: int, mark: str) -> Iterator[tuple[str, bytes]]:
    events = plan.nights[index]
    damaged = index == 1
    half = len(events) // 2 if index == 0 else len(events)
    yield f"phone/pbx/Master_{mark}.csv", phone.pbx(desk, events[:half]) + (_broken_calls() if damaged else b"")
    yield f"phone/pbx/Master_{mark}_custom.csv", phone.pbx(desk, events[half:], custom=True)
    for number, page in enumerate(phone.twilio_calls(desk, events)):
        yield f"phone/twilio_calls/calls_{mark}_{number}.json", page
    for number, page in enumerate(sms.twilio_messages(desk, events)):
        yield f"sms/twilio/messages_{mark}_{number}.json", page
    yield f"sms/handset/sms-{mark}.xml", sms.handset(desk, events, plan.people)
    yield f"email/mailbox/{mark}.mbox", mail.mbox(desk, events)
    yield f"web/snowplow/enriched_{mark}.tsv.gz", packed(web.snowplow(desk, events, _BROKEN_EVENTS if damaged else ()))
    yield f"web/segment/{mark}.jsonl", web.segment(desk, events, _BROKEN_MESSAGES if damaged else ())
    access = _access(plan, index, Book() if damaged else plan.book, index)
    yield f"web/access/access-{mark}.log.gz", access[: len(access) // 2] if damaged else access
    for name, content in salesforce.salesforce(desk, events, first=index == 0).items():
        yield f"crm/salesforce/{name}_{mark}.csv", content
    for name, content in hubspot.hubspot(desk, events).items():
        yield f"crm/hubspot/{name}_{mark}.csv", content
    for platform in ("google_ads", "meta"):
        yield f"media/{platform}_{mark}.csv", media.ad_spend(desk, events, _days(plan, index), platform)
    for number, (name, content) in enumerate(fair.fairs(desk, events).items()):
        slipped = index == 0 and number == 0
        yield f"in_person/trade_fair_{name}.csv", content.replace(b"@", b"x@", 1) if slipped else content


_BROKEN_MESSAGES: Final = (
    '{"messageId": "broken-1", "type": "identify", "traits": {"email": ',
    '{"messageId": "broken-2", "type": "page", "timestamp": "yesterday"}',
)
_BROKEN_EVENTS: Final = ("shop\tweb\t2026-03-02 10:00:00.000",)


def _broken_calls() -> bytes:
    """A row whose start is no time, and one that ends in the middle."""
    row = '"","03023125999","+493023125100","from-trunk",""""" <03023125999>","SIP/1","SIP/2","Dial","SIP/2,30",'
    tail = '"yesterday","","",8,0,"NO ANSWER","DOCUMENTATION","1772440000.9","","","1772440000.9",0\n'
    return f'{row}{tail}"","03023125998","+4930\n'.encode()


def _again_and_late(plan: DemoPlan, desk: Desk, mark: str) -> list[Delivery]:
    """What goes wrong between systems: files that come late, twice, or corrected."""
    again, fair_list = "sms/twilio/messages_history_0", sorted((plan.landing / "in_person").glob("*.csv"))[0]
    files = {
        f"phone/pbx/branch_late_{mark}.csv": (phone.pbx(desk, plan.late), "late: calls of a day a month ago"),
        f"web/snowplow/enriched_late_{mark}.tsv.gz": (
            packed(web.snowplow(desk, plan.late)), "late: visits of a day a month ago",
        ),
        f"{again}_again.json": (
            (plan.landing / f"{again}.json").read_bytes(), "a file of the first night again, under another name",
        ),
        f"in_person/{fair_list.name}": (
            fair_list.read_bytes().replace(b"x@", b"@", 1), "the same name as before, with a corrected address",
        ),
    }  # fmt: skip
    for path, (content, _) in files.items():
        if content:
            _put(plan, path, content)
    return [(path, special) for path, (content, special) in files.items() if content]


def _whole_archive(plan: DemoPlan) -> Delivery:
    """The server's log that was cut on the second night."""
    path = f"web/access/access-{plan.first_night.isoformat()}.log.gz"
    _put(plan, path, _access(plan, 1, plan.book, night=2))
    return path, "the truncated archive again, whole"


def _access(plan: DemoPlan, index: int, book: Book, night: int) -> bytes:
    """The packed log of the hits of night `index`; by a chance of its own, so that it can be drawn again."""
    desk = Desk(random.Random(f"{plan.seed}/access/{index}"), book, plan.accounts, night)
    return packed(web.access(desk, plan.nights[index]))


def _days(plan: DemoPlan, index: int) -> list[date]:
    if index == 0:
        return [plan.first_night - timedelta(days=back) for back in range(HISTORY.days, 0, -1)]
    return [plan.first_night + timedelta(days=index - 1)]


def _put(plan: DemoPlan, path: str, content: bytes) -> None:
    """Write as careful senders do: under a temporary name, then renamed."""
    target = plan.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f".{target.name}.part")
    arriving.write_bytes(content)
    arriving.replace(target)


__all__ = ["Delivery", "DemoPlan", "deliver", "write_company"]
