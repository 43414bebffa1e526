"""What every format needs beside the events: chance, the book of truth, counters, and the company's own identities."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from customer360.demo.book import Book
from customer360.demo.people import Account, Person
from customer360.demo.story import BERLIN, Event

# Numbers that the German regulator keeps for films, and names below a domain kept for examples.
OWN_NUMBER: Final = "+493023125100"
OWN_CLOUD_NUMBER: Final = "+4915228817386"
OWN_HANDSET: Final = "+4915228895456"
OWN_DOMAIN: Final = "nordlicht.example.com"
SHOP: Final = f"https://www.{OWN_DOMAIN}"
MAILBOXES: Final = (f"service@{OWN_DOMAIN}", f"info@{OWN_DOMAIN}")
AGENTS: Final = (f"anja.brandt@{OWN_DOMAIN}", f"kai.lorenzen@{OWN_DOMAIN}")
BROWSERS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
)
BOTS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36",
)


@dataclass
class Desk:
    """One night's writing."""

    rng: random.Random
    book: Book
    accounts: Sequence[Account]
    night: int
    sequence: int = 1_000

    def next(self) -> int:
        """A number not given out before on this night."""
        self.sequence += 1
        return self.sequence

    def note(
        self, source: str, kind: str, record_id: str, person: Person | None, event: Event | None = None, *more: str
    ) -> None:
        """Note whose a record is, with the phenomena of its event and `more`."""
        self.book.note((source, kind, record_id), person, self.night, (*(event.tags if event else ()), *more))

    def sid(self, prefix: str) -> str:
        """An id of Twilio's form."""
        return f"{prefix}{self.rng.getrandbits(128):032x}"


def browser(person: Person | None) -> str:
    """The user agent a person keeps to."""
    return BROWSERS[person.person_id % len(BROWSERS) if person else 0]


def national(number: str) -> str:
    """A German E.164 number as dialled at home."""
    return "0" + number.removeprefix("+49") if number.startswith("+49") else number


def berlin(at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return at.astimezone(BERLIN).strftime(form)


def utc(at: datetime, form: str = "%Y-%m-%dT%H:%M:%S.000Z") -> str:
    return at.astimezone(UTC).strftime(form)


def csv_bytes(
    rows: Iterable[Sequence[object]],
    *,
    delimiter: str = ",",
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL,
    encoding: str = "utf-8",
) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerows(rows)
    return out.getvalue().encode(encoding)


def table(header: str, rows: Sequence[Sequence[object]]) -> bytes:
    """CSV under a comma-separated header; nothing if there are no rows."""
    return csv_bytes([header.split(","), *rows]) if rows else b""


def packed(content: bytes) -> bytes:
    """Gzip without the time in its header; nothing stays nothing."""
    return gzip.compress(content, compresslevel=6, mtime=0) if content else b""
