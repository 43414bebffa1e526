"""Calls: Asterisk's CDR files in both column orders, and pages of Twilio's Calls API."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from customer360.demo.formats.desk import OWN_CLOUD_NUMBER, OWN_NUMBER, Desk, berlin, csv_bytes, national
from customer360.demo.people import Person
from customer360.demo.story import Event

PAGE = 500  # records of one API page
OVERLAP = 10  # of them already on the page before: records arrived while it was read
_EXCHANGE = frozenset({"call", "withheld", "internal_call", "switchboard_call"})
_WITHHELD = ("anonymous", "", "Restricted", "unknown")


def pbx(desk: Desk, events: Iterable[Event], source: str = "pbx", *, custom: bool = False) -> bytes:
    """Asterisk CDR without header: accountcode first (cdr_csv), or clid first (`custom`, cdr_custom).

    A call through the queue or transferred has a row per leg: one linkedid in cdr_csv, one uniqueid in cdr_custom.
    """
    rows: list[list[object]] = []
    for event in events:
        if event.kind in _EXCHANGE:
            rows += _Call(desk, event, source).rows(custom)
    return csv_bytes(rows, quoting=csv.QUOTE_ALL if custom else csv.QUOTE_NONNUMERIC) if rows else b""


class _Call:
    """One call on the exchange: its ends, whether it was answered, and its legs."""

    def __init__(self, desk: Desk, event: Event, source: str) -> None:
        rng = desk.rng
        self.desk, self.event = desk, event
        self.linked = self._unique()
        self.answered = rng.random() < 0.8
        self.talk = rng.randrange(20, 600) if self.answered else 0
        self.legs = rng.choices((1, 2, 3), (70, 22, 8))[0] if self.answered else 1
        self.extension = f"2{rng.randrange(10, 60)}"
        self.outside, self.caller_name = _outside(desk, event)
        more = [name for name, there in (("many_legs", self.legs > 1), ("household_line", _from_home(event))) if there]
        desk.note(source, "interaction", self.linked, event.person, event, *more)

    def _unique(self) -> str:
        return f"{int(self.event.at.timestamp())}.{self.desk.next()}"

    def rows(self, custom: bool) -> Iterator[list[object]]:
        for leg in range(self.legs):
            yield self._row(leg, custom)

    def _row(self, leg: int, custom: bool) -> list[object]:
        start = self.event.at + timedelta(seconds=15 * leg)
        answer = start + timedelta(seconds=8)
        src, dst, context = self._ends(leg)
        clid = f'"{self.caller_name}" <{src}>' if self.caller_name and src == self.outside else f'"" <{src}>'
        application = ("Queue", "service,t") if leg == 0 and self.legs > 1 else ("Dial", f"SIP/{self.extension},30")
        unique = self.linked if leg == 0 or custom else self._unique()
        path = [context, f"SIP/trunk-{self.desk.next():08x}", f"SIP/{self.extension}-{leg:08x}", *application]
        times = [berlin(start), berlin(answer) if self.answered else "", berlin(answer + timedelta(seconds=self.talk))]
        result: list[object] = [
            self.talk + 8, self.talk, "ANSWERED" if self.answered else "NO ANSWER", "DOCUMENTATION",
        ]  # fmt: skip
        if custom:
            return [clid, src, dst, *path, *times, *result, "", unique, "", leg]
        return ["", src, dst, path[0], clid, *path[1:], *times, *result, unique, "", "", self.linked, leg]

    def _ends(self, leg: int) -> tuple[str, str, str]:
        """(src, dst, context) of a leg."""
        if self.event.kind == "internal_call":
            return self.extension, f"3{self.desk.rng.randrange(10, 60)}", "from-internal"
        if self.event.data.get("inbound", True):
            return self.outside, OWN_NUMBER if leg == 0 else self.extension, "from-trunk" if leg == 0 else "ext-local"
        return self.extension, self.outside, "from-internal"


def _from_home(event: Event) -> bool:
    person = event.person
    return bool(person and person.household is not None and event.data.get("line") == "landline")


def _outside(desk: Desk, event: Event) -> tuple[str, str | None]:
    """(number of the other side as the exchange shows it, caller-id name)."""
    person = event.person
    if event.kind == "switchboard_call":
        account = event.data["account"]
        return national(account.switchboard), account.name
    if person is None:
        return desk.rng.choice(_WITHHELD), None
    if event.data.get("line") == "mobile" or not person.landline:
        return national(person.mobile), person.name if desk.rng.random() < 0.4 else None
    return national(person.landline), None


def twilio_calls(desk: Desk, events: Iterable[Event]) -> list[bytes]:
    """Pages of the Calls API, overlapping by a few records."""
    calls = []
    for event in events:
        if event.kind == "call_cloud" and event.person is not None:
            sid = desk.sid("CA")
            desk.note("twilio_calls", "interaction", sid, event.person, event)
            calls.append(_call(desk, event, event.person, sid))
    return pages(desk, "calls", "twilio_calls", calls)


def _call(desk: Desk, event: Event, person: Person, sid: str) -> dict[str, Any]:
    inbound = event.data["inbound"]
    ends = (person.mobile, OWN_CLOUD_NUMBER) if inbound else (OWN_CLOUD_NUMBER, person.mobile)
    seconds = max(0, desk.rng.randrange(-60, 400))
    return {
        "sid": sid,
        "account_sid": "AC" + "0" * 32,
        "parent_call_sid": None,
        "date_created": format_datetime(event.at),
        "date_updated": format_datetime(event.at + timedelta(seconds=seconds)),
        "start_time": format_datetime(event.at),
        "end_time": format_datetime(event.at + timedelta(seconds=seconds)),
        "from": ends[0],
        "from_formatted": ends[0],
        "to": ends[1],
        "to_formatted": ends[1],
        "direction": "inbound" if inbound else "outbound-api",
        "status": "completed" if seconds else "no-answer",
        "duration": str(seconds),
        "price": f"-{desk.rng.randrange(1, 30) / 100:.5f}",
        "price_unit": "EUR",
        "answered_by": None,
        "forwarded_from": None,
        "caller_name": None,
        "queue_time": "0",
        "uri": f"/2010-04-01/Accounts/AC{'0' * 32}/Calls/{sid}.json",
    }


def pages(desk: Desk, kind: str, source: str, records: Sequence[dict[str, Any]]) -> list[bytes]:
    """API pages of at most PAGE records; each repeats the last OVERLAP of the one before."""
    found = []
    for number, first in enumerate(range(0, len(records), PAGE - OVERLAP)):
        if number and first + OVERLAP >= len(records):
            break  # nothing new
        for record in records[first : first + OVERLAP] if number else ():
            key = (source, "interaction", str(record["sid"]))
            desk.book.phenomena["delivered_twice", key] = None
        page = {kind: records[first : first + PAGE], "page": number, "page_size": PAGE, "start": first,
                "end": min(first + PAGE, len(records)) - 1, "next_page_uri": None}  # fmt: skip
        found.append(json.dumps(page, indent=1).encode())
    return found
