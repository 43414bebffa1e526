"""Nordlicht Werkzeuge: a made-up company whose traces fill the landing area, night after night.

The same seed gives the same bytes. Nothing reads the clock.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from customer360.demo import write
from customer360.demo.people import Account, Person, make_people
from customer360.demo.story import Event, tell
from customer360.demo.write import BERLIN, Truth, Writer

HISTORY = timedelta(days=730)
LATE_DAY = timedelta(days=27)  # before the first night: events of a branch that arrive with night 2
Delivery = tuple[str, str]  # path below landing, what is special about it ('' for nothing)


@dataclass
class DemoPlan:
    """Everything decided; `deliver` writes one night of it."""

    landing: Path
    truth_folder: Path
    seed: int
    first_night: date
    people: list[Person]
    accounts: list[Account]
    events: list[Event]
    truth: Truth

    def midnight(self, index: int) -> datetime:
        """First instant of night `index` (0-based), UTC."""
        return datetime.combine(self.first_night + timedelta(days=index), time.min, tzinfo=BERLIN).astimezone(UTC)


def write_company(
    landing: Path, truth: Path, *, seed: int = 7, customers: int = 3000, first_night: date, nights: int = 3
) -> DemoPlan:
    """Decide everything that happens in the two years before `first_night` and the nights after it."""
    rng = random.Random(seed)
    start = datetime.combine(first_night, time.min, tzinfo=BERLIN).astimezone(UTC) - HISTORY
    end = start + HISTORY + timedelta(days=nights)
    people, accounts = make_people(rng, customers, start, end - timedelta(hours=2))
    plan = DemoPlan(landing, truth, seed, first_night, people, accounts, tell(rng, people, end), Truth())
    plan.events = sorted([*plan.events, *write.shop_orders(plan.events)],
                         key=lambda event: (event.at, event.kind, event.person.person_id if event.person else 0))  # fmt: skip
    return plan


def deliver(plan: DemoPlan, index: int) -> list[Delivery]:
    """Write night `index` into the landing area; what was delivered, and what is special about it.

    Night 0 brings two years. Night 1: a late file, a redelivered one, a corrected one, broken records and a
    truncated archive. Night 2: the archive again, whole, and the proof that two customers are one.
    """
    rng = random.Random(f"{plan.seed}/{index}")
    writer = Writer(rng, plan.truth, plan.accounts, sequence=1000 + index * 500_000)
    events = [event for event in plan.events if _night_of(plan, event) == index]
    day = plan.first_night + timedelta(days=index - 1)
    mark = "history" if index == 0 else f"{day:%Y-%m-%d}"
    made: list[Delivery] = [
        _put(plan, path, content) for path, content in _files(plan, writer, events, index, mark) if content
    ]
    if index == 1:
        made += _second_night(plan, writer, mark)
    if index == 2:
        made += _third_night(plan, writer, mark)
    _write_truth(plan)
    return made


def _night_of(plan: DemoPlan, event: Event) -> int:
    """Which delivery an event arrives with; calls of one day arrive a month late."""
    first = plan.midnight(0)
    if event.at < first:
        late = first - LATE_DAY <= event.at < first - LATE_DAY + timedelta(days=1)
        return -1 if late and event.kind == "call" else 0
    return (event.at - first) // timedelta(days=1) + 1


def _files(
    plan: DemoPlan, writer: Writer, events: Sequence[Event], index: int, mark: str
) -> Iterator[tuple[str, bytes]]:
    half = len(events) // 2 if index == 0 else len(events)
    yield f"phone/pbx/Master_{mark}.csv", writer.pbx(events[:half])
    if index == 0:
        yield f"phone/pbx/Master_{mark}_custom.csv", writer.pbx(events[half:], custom=True)
    yield f"phone/twilio_calls/page_{mark}.json", writer.twilio_calls(events)
    yield f"sms/twilio/page_{mark}.json", writer.twilio_messages(events)
    yield f"sms/handset/sms-{mark}.xml", writer.handset(events)
    mails = writer.mails(events, "mailbox", lambda event: not _to_support(event))
    yield f"email/mailbox/{mark}.mbox", b"".join(_mbox(mail) for mail in mails)
    for number, mail in enumerate(writer.mails(events, "support_maildir", _to_support)):
        yield f"email/support/cur/{mark}.{number:05d}.host:2,S", mail
    yield f"web/snowplow/enriched_{mark}.tsv.gz", writer.snowplow(events)
    yield f"web/segment/{mark}.jsonl", writer.segment(events, _broken_lines() if index == 1 else ())
    access = writer.access(events)
    yield f"web/access/access-{mark}.log.gz", access[: len(access) // 2] if index == 1 else access
    for name, content in write.salesforce(writer, events, full=index == 0).items():
        yield f"crm/salesforce/{name}_{mark}.csv", content
    for name, content in write.hubspot(writer, events).items():
        yield f"crm/hubspot/{name}_{mark}.csv", content
    days = _days(plan, index)
    yield (
        f"media/google_ads_{mark}.csv",
        write.ad_spend(writer.rng, days, "google_ads", ("spring_drills", "cordless_week")),
    )
    yield f"media/meta_{mark}.csv", write.ad_spend(writer.rng, days, "meta", ("workshop_reels",))
    yield f"in_person/trade_fair_{mark}.csv", writer.fair(events)


def _second_night(plan: DemoPlan, writer: Writer, mark: str) -> list[Delivery]:
    late = [event for event in plan.events if _night_of(plan, event) == -1]
    made = [_put(plan, f"phone/pbx/branch_late_{mark}.csv", writer.pbx(late), "late: calls of a day a month ago")]
    first = plan.landing / "phone/twilio_calls/page_history.json"
    made.append(
        _put(
            plan,
            "phone/twilio_calls/page_history_again.json",
            first.read_bytes(),
            "the same file again, under another name",
        )
    )
    fair = plan.landing / "in_person/trade_fair_history.csv"
    lines = fair.read_bytes().split(b"\n")
    corrected = b"\n".join(
        line.replace(b"Brandt", b"Lorenzen") if place == 1 else line for place, line in enumerate(lines)
    )
    made.append(_put(plan, "in_person/trade_fair_history.csv", corrected, "the same name with corrected content"))
    made.append((f"web/segment/{mark}.jsonl", "two broken records among good ones"))
    made.append((f"web/access/access-{mark}.log.gz", "a truncated archive"))
    return made


def _third_night(plan: DemoPlan, writer: Writer, mark: str) -> list[Delivery]:
    before = f"{plan.first_night:%Y-%m-%d}"
    events = [event for event in plan.events if _night_of(plan, event) == 1]
    again = Writer(random.Random(f"{plan.seed}/1"), Truth(), plan.accounts)
    made = [
        _put(plan, f"web/access/access-{before}.log.gz", again.access(events), "the truncated archive again, whole")
    ]
    known, other = _two_customers(plan)
    merge = Event("form", plan.midnight(2) - timedelta(hours=5), known)
    message = writer.segment_message(merge) | {"anonymousId": other.cookie, "userId": None}
    content = writer.segment([], [write.json.dumps(message, ensure_ascii=False)])
    made.append(_put(plan, f"web/segment/{mark}_merge.jsonl", content, "the proof that two customers are one person"))
    plan.truth.records = [
        (source, kind, record, known.person_id if person == other.person_id else person)
        for source, kind, record, person in plan.truth.records
    ]
    return made


def _two_customers(plan: DemoPlan) -> tuple[Person, Person]:
    """Somebody the CRM knows, and an anonymous visitor who will turn out to be the same person."""
    end = plan.midnight(0)
    known = next(p for p in plan.people if p.crm_id and not p.account and not p.household and p.arrives < end)
    visits = {
        event.person.person_id for event in plan.events if event.kind == "visit" and event.person and event.at < end
    }
    named = {event.person.person_id for event in plan.events if event.kind in {"form", "crm", "fair"} and event.person}
    other = next(p for p in plan.people if p.person_id in visits and p.person_id not in named)
    return known, other


def _broken_lines() -> tuple[str, ...]:
    return (
        '{"messageId": "broken-1", "type": "identify", "traits": {"email": ',
        '{"messageId": "broken-2", "type": "page", "timestamp": "yesterday"}',
    )


def _to_support(event: Event) -> bool:
    return event.at.minute % 4 == 0


def _mbox(mail: bytes) -> bytes:
    quoted = mail.replace(b"\nFrom ", b"\n>From ")
    return b"From mailer@example.com Mon Jan  1 00:00:00 2024\n" + quoted + b"\n\n"


def _days(plan: DemoPlan, index: int) -> list[datetime]:
    first = datetime.combine(plan.first_night, time.min)
    if index == 0:
        return [first - timedelta(days=back) for back in range(HISTORY.days, 0, -1)]
    return [first + timedelta(days=index - 1)]


def _put(plan: DemoPlan, path: str, content: bytes, special: str = "") -> Delivery:
    """Write as careful senders do: under a temporary name, then renamed."""
    target = plan.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f".{target.name}.part")
    arriving.write_bytes(content)
    arriving.replace(target)
    return path, special


def _write_truth(plan: DemoPlan) -> None:
    plan.truth_folder.mkdir(parents=True, exist_ok=True)
    with (plan.truth_folder / "records.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["source", "record_kind", "source_record_id", "person_id"])
        rows.writerows(plan.truth.records)
    with (plan.truth_folder / "persons.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["person_id", "acquisition_source", "campaign", "household", "account", "phenomena"])
        for person in plan.people:
            rows.writerow([person.person_id, person.campaign.acquisition_source, person.campaign.name,
                           person.household if person.household is not None else "",
                           person.account.account_id if person.account else "", " ".join(person.notes)])  # fmt: skip


__all__ = ["DemoPlan", "deliver", "write_company"]
