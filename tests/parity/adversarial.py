"""A small lake full of what makes engines disagree: nulls, ties, unicode, DST hours, leap days, negative
and half-cent amounts, long paths, versions of one record that tie, deals before any contact."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from customer360.engines import LakeFile
from parity.lake_files import LakeWriter, utc

AS_OF = utc("2026-03-02 00:00:00")
_NAMES = (
    "Ólafur",
    "Zoë",
    "Ömer",
    "王小明",
    "Łukasz",
    "O'Neil",
    'Ann "Nan"',
    "Jean\nLuc",
    "🙂",
    "",
    None,
    "Ægir",
    "ß",
    " Ann ",
    "\u00a0Bo\u200b",
    "e\u0301",
    "C:\\x",
)
_CAMPAIGNS = (
    *(None, "", "Spring > Summer", "cross-network", "shop_the_look", "workshop", "ÜBER", "a|b,c", "100%_off"),
    *("ΟΔΟΣ ΣΑΣ", "İNDİRİM", "STRASSE ẞ", "E\u0301TE\u0301", "Été", "ǅ", "𐐀", "line\nshop", "\tshopping", "back\\shop"),
    *("it's 'quoted'", '"', "\u00a0", " ", "\\", "\\n", "$1", "{{ x }}", "%", "🙂" * 40),
)
_MEDIUMS = (
    None,
    "cpc",
    "CPM",
    "email",
    "organic",
    "referral",
    "social",
    "push",
    "paid-social",
    "banner",
    "ppc",
    "(none)",
)
_SOURCES = (None, "google", "Facebook", "www.bing.com", "chatgpt.com", "newsletter", "(direct)", "youtube", "amazon")
_REFERRERS = (None, "www.google.co.uk", "l.facebook.com", "t.co", "blog.example.com", "m.youtube.com", "x.com", "")
_CLICKS = (None, None, None, "gclid", "fbclid", "msclkid")
_EDGES = (  # instants at which clocks, months and years turn
    utc("2025-03-30 00:59:59"),
    utc("2025-03-30 01:00:00"),
    utc("2025-10-26 00:30:00"),
    utc("2025-10-26 01:30:00"),
    utc("2025-11-02 05:30:00"),  # clocks go back on the other side of the ocean
    utc("2025-11-02 06:30:00"),
    utc("2024-02-29 00:00:00"),
    utc("2024-02-29 23:59:59"),
    utc("2024-03-01 00:00:00"),
    utc("2000-02-29 12:00:00"),
    utc("1969-12-31 23:59:59.999999"),
    utc("1900-02-28 23:59:59.000001"),
    utc("2024-12-31 23:59:59"),
    utc("2026-03-01 23:59:59"),
    AS_OF - timedelta(microseconds=1),
    AS_OF,
    AS_OF + timedelta(microseconds=1),
)
_AMOUNTS = tuple(
    Decimal(text)
    for text in (
        "0",
        "-12.345",
        "0.005",
        "0.015",
        "-0.005",
        "99999999.994999",
        "1",
        "100.10",
        "33.333333",
        "-99999999.995",
        "0.000001",
        "-0.015",
    )
)


class _Company:
    def __init__(self, root: Path, seed: int, people: int) -> None:
        self.random = random.Random(seed)
        self.lake = LakeWriter(root)
        self.people = people
        for number, loaded in enumerate(("2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02")):
            self.lake.batch(f"{number:032d}", utc(f"{loaded} 00:00:00"))

    def batch(self) -> str:
        return f"{self.random.randrange(4):032d}"

    def moment(self) -> datetime:
        if self.random.random() < 0.15:
            return self.random.choice(_EDGES)
        # Whole hours of few days, so that ties are the rule.
        return utc("2024-06-01 00:00:00") + timedelta(days=self.random.randrange(660), hours=self.random.randrange(3))

    def person(self, number: int) -> None:
        pick = self.random.choice
        identifiers = [
            ("email", f"p{number}@example.com"),
            ("phone", f"+49302312{number:05d}"),
            ("cookie", f"c{number}"),
        ]
        for record in range(self.random.randrange(3)):
            created = pick((None, self.moment()))
            kind = pick(("contact", "lead", "form", "user"))
            for version in range(pick((1, 1, 2, 3))):
                self.lake.add(
                    "contact_record",
                    pick(("crm", "forms")) if version == 0 else "crm",
                    self.batch(),
                    f"r{number}-{record}",
                    [*self.random.sample(identifiers, 2), ("account_ref", f"crm:contact:r{number}-{record}")],
                    record_kind=kind,
                    given_name=pick(_NAMES),
                    family_name=pick(_NAMES),
                    full_name=pick(_NAMES),
                    organisation=pick((None, None, "Müller & Söhne", "")),
                    job_title=pick((None, "", "Ärztin\n")),
                    city=pick((None, "Köln", "İstanbul")),
                    country=pick((None, "DE", "TR")),
                    birth_date=pick((None, datetime(1996, 2, 29).date())),
                    account_ref=pick((None, f"crm:account:a{number % 7}")),
                    stated_stage=pick((None, "Unqualified", "open")),
                    acquisition_source=pick((None, "friend", "Messe")),
                    is_deleted=pick((None, False, False, True)),
                    consent=pick((None, '{"email": true, "sms": false}', '{"phone": true}')),
                    created_at=created,
                    observed_at=pick((None, created, self.moment())),
                )
        for place in range(self.random.randrange(12)):
            self.interaction(number, f"i{number}-{place}", identifiers)
        for place in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            self.deal(number, place)

    def interaction(self, number: int, record_id: str, identifiers: list[tuple[str, str]], **fixed: Any) -> None:
        pick = self.random.choice
        columns = {
            "channel": pick(("phone", "email", "sms", "web", "web", "web", "fax", "in_person", "media")),
            "direction": pick(("inbound", "outbound")),
            "occurred_at": self.moment(),
            "utc_offset_minutes": pick((None, 60, -330)),
            "event_name": pick(("page_view", "call", None)),
            "interaction_class": pick(("person", "person", "person", "bulk", "bot", "auto_reply")),
            "is_touch": pick((True, True, False)),
            "session_id": pick((None, f"s{number % 5}", f"s{number}")),
            "utm_source": pick(_SOURCES),
            "utm_medium": pick(_MEDIUMS),
            "utm_campaign": pick(_CAMPAIGNS),
            "click_id_type": pick(_CLICKS),
            "referrer_host": pick(_REFERRERS),
            "cost": pick((None, *_AMOUNTS)),
            "currency": pick((None, "EUR")),
            "name_hint": pick((None, None, "M. Müller")),
            "flags": pick((None, "opt_out", "clock_ahead,dst_ambiguous")),
        }
        source = pick(("site", "pbx"))
        for _ in range(pick((1, 1, 1, 2))):  # some delivered again
            self.lake.add(
                "interaction", source, self.batch(), record_id, self.random.sample(identifiers, 1), **(columns | fixed)
            )

    def deal(self, number: int, place: int) -> None:
        pick = self.random.choice
        contact = pick((None, f"crm:contact:r{number}-0"))
        account = pick((None, f"crm:account:a{number % 7}", "crm:account:nobody"))
        created = self.moment()
        closed = pick((None, created, created - timedelta(days=3), created + timedelta(days=pick((1, 30, 800)))))
        self.lake.add(
            "opportunity",
            "crm",
            self.batch(),
            f"o{number}-{place}",
            contact_ref=contact,
            account_ref=account,
            stage=pick(("new", "won", "lost")),
            amount=pick((None, *_AMOUNTS)),
            currency="EUR",
            is_closed=pick((None, False, True)),
            is_won=pick((None, False, True)),
            is_deleted=pick((None, False, False, True)),
            created_at=pick((None, created, created)),
            closed_at=closed,
            observed_at=pick((None, created, AS_OF - timedelta(days=1))),
        )
        ordered = self.moment()
        self.lake.add(
            "sales_order",
            "shop",
            self.batch(),
            f"s{number}-{place}",
            pick(((), (("email", f"p{number}@example.com"),))),
            contact_ref=contact,
            account_ref=account,
            opportunity_ref=pick((None, f"o{number}-{place}")),
            status=pick((None, "Paid", "CANCELLED", "Activated")),
            amount=pick((None, *_AMOUNTS)),
            currency="EUR",
            ordered_at=ordered,
            delivered_at=pick((None, ordered, ordered - timedelta(hours=1), ordered + timedelta(days=4), AS_OF)),
            is_deleted=pick((None, False)),
            observed_at=pick((None, ordered)),
        )

    def long_path(self) -> None:
        """One customer with 4,000 touches before one order of seven cents."""
        identifiers = [("email", "long@example.com")]
        start = utc("2025-06-01 00:00:00")
        for place in range(4000):
            fixed = {
                "occurred_at": start + timedelta(hours=place // 3),  # three at a time
                "interaction_class": "person",
                "is_touch": True,
                "session_id": None,
            }
            self.interaction(0, f"long-{place}", identifiers, **fixed)
        self.lake.add(
            "sales_order",
            "shop",
            self.batch(),
            "long-order",
            identifiers,
            amount=Decimal("0.07"),
            currency="EUR",
            ordered_at=start + timedelta(hours=1333),
        )

    def rest(self) -> None:
        for account in range(5):
            self.lake.add(
                "contact_record",
                "crm",
                self.batch(),
                f"a{account}",
                [("account_ref", f"crm:account:a{account}")],
                record_kind="account",
                organisation=f"Firma {account}",
                observed_at=utc("2025-01-01 00:00:00"),
            )
        for place in range(60):
            day = self.moment()
            self.lake.add(
                "ad_spend",
                "ads",
                self.batch(),
                f"ad{place}",
                spend_date=day.date(),
                platform=self.random.choice(("google_ads", "meta", "own_invention")),
                campaign=self.random.choice(_CAMPAIGNS),
                clicks=self.random.choice((None, 0, 7)),
                cost=self.random.choice(_AMOUNTS),
                currency="EUR",
            )


def write_lake(root: Path, seed: int = 11, people: int = 250) -> list[LakeFile]:
    """The lake's files below `root`; the same for the same seed."""
    company = _Company(root, seed, people)
    for number in range(people):
        company.person(number)
    company.long_path()
    company.rest()
    return company.lake.write()
