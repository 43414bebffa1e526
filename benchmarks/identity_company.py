"""A made-up company whose every contact has a known author: source files, and who must or must not be one customer.

What happens to real companies happens here: households with one line, one mailbox and one tablet; offices behind a
switchboard and info@; numbers and devices that change hands; kiosks; bots that type other people's addresses; agents who type
their own number or a neighbour's customer number; fathers and sons of one name, twins, namesakes; names in other scripts,
short forms, new surnames; log-ins as 'guest' and cookies as '0'; deliveries that come twice and late.

The same events are written in four dialects: `systems` (a file for each source system), `hints` (one file of interactions
with a name column), `facts` (one file whose every named row is a contact record too) and `bare` (interactions without names).
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import identity_names as names
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from identity_names import Called

START = datetime(2023, 1, 1, tzinfo=UTC)
NIGHT = datetime(2026, 1, 2, tzinfo=UTC)
DAYS = 1095
MINUTE, DAY = 60, 86_400
OWN_PHONE, OWN_DOMAIN, UNKNOWN_OWN_PHONE = "+493023125000", "service.example.com", "+493099887700"
IDENTIFIERS = ("email", "phone", "fax", "cookie", "device", "user", "account", "loyalty", "handle")
COLUMNS = ("id", "at", "system", "channel", "name", "born", *IDENTIFIERS)
MAIL_DOMAINS = ("mail.example.com", "post.example.net", "web.example.org", "inbox.example.net")
DIALECTS = ("systems", "hints", "facts", "bare")
NOBODY = -1  # author of what no customer did
# What follows +4915 in each shard: there are no numbers in +49153 and +49154.
_MOBILE = ("00", "10", "20", "15", "25", "50", "60", "70", "80", "90")


@dataclass(slots=True)
class Person:
    """One human being and what identifies them; `born` is ISO."""

    number: int
    called: Called
    born: str
    email: str
    phone: str
    user: str = ""
    account: str = ""
    loyalty: str = ""
    handle: str = ""
    first_day: int = 0
    last_day: int = DAYS
    other_email: str = ""
    new_family: str = ""  # from the middle of their time on
    line: str = ""  # a telephone they share
    mailbox: str = ""  # an address they share
    browsers: list[tuple[int, str]] = field(default_factory=list)  # (from day, cookie), the newest last
    device: str = ""
    uses_mailbox: bool = False  # a record of theirs says so
    events: list[int] = field(default_factory=list)  # row numbers that can be known to be theirs
    doubtful: list[int] = field(default_factory=list)  # theirs, but over what others use too


@dataclass
class Company:
    """`rows` as COLUMNS; `authors` the person of each row; `must` and `cannot` {slice: pairs of row numbers}."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    authors: list[int] = field(default_factory=list)
    must: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    cannot: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Maker:
    """Makes people and their contacts until the company has as many events as asked for. `shard` keeps the values
    of several makers apart."""

    def __init__(self, seed: int, shard: int = 0) -> None:
        self.chance = random.Random(f"{seed}/{shard}")
        self.shard = shard
        self.company = Company()
        self.people: list[Person] = []
        self.serial = 0
        self.strangers: list[Person] = []  # whom bots and slips of the pen may mix up with others

    # What there is ---------------------------------------------------------------------------------------------

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def phone(self) -> str:
        return f"+4915{_MOBILE[self.shard]}{self.number():07d}"

    def landline(self) -> str:
        return f"+49221{self.shard:01d}{self.number():07d}"

    def token(self, prefix: str) -> str:
        return f"{prefix}-{self.shard}{self.number():08x}{self.chance.getrandbits(32):08x}"

    def address(self, called: Called) -> str:
        given, family = map(names.folded, names.parts(called))
        chance, serial = self.chance, self.number() * 10 + self.shard
        style = chance.choice(("{g}.{f}{n}", "{g}{f}{n}", "{i}.{f}{n}", "{f}.{g}{n}", "{g}{n}", "{w}{n}"))
        local = style.format(
            g=given, f=family, i=given[:1], n=serial, w=chance.choice(("sunny", "kater", "bike", "moon"))
        )
        return f"{local}@{chance.choice(MAIL_DOMAINS)}"

    def person(self, called: Called | None = None, born: str = "") -> Person:
        chance = self.chance
        called = called or names.draw(chance)
        born = born or str((datetime(1940, 1, 1) + timedelta(days=chance.randrange(24_000))).date())
        first = chance.randrange(DAYS - 200) if chance.random() < 0.7 else 0
        made = Person(len(self.people) + self.shard * 10_000_000, called, born, self.address(called), self.phone())
        made.first_day, made.last_day = first, DAYS - 1
        if chance.random() < 0.6:
            made.user = f"u{self.shard}{self.number():07d}"
        if chance.random() < 0.5 or not made.user:
            made.account = f"{self.shard}{self.number():07d}"
        if chance.random() < 0.2:
            made.loyalty = f"29{self.shard}{self.number():09d}"
        if chance.random() < 0.1:
            made.handle = f"@{names.folded(names.parts(called)[0])}{self.number()}"
        day = first
        while day < DAYS and len(made.browsers) < 4:
            made.browsers.append((day, self.token("c")))
            day += chance.randrange(150, 700)
        if chance.random() < 0.25:
            made.device = self.token("d")
        self.people.append(made)
        return made

    # What happens ----------------------------------------------------------------------------------------------

    def event(
        self, author: Person | None, system: str, channel: str, at: float, *, name: str = "", born: str = "",
        known: bool = True, **identifiers: str,
    ) -> int:  # fmt: skip
        """A row; `known`: whether the author can be told from it. Its number."""
        row = len(self.company.rows)
        values = [identifiers.get(kind, "") for kind in IDENTIFIERS]
        self.company.rows.append((f"e{self.shard}-{row}", int(at), system, channel, name, born, *values))
        self.company.authors.append(author.number if author else NOBODY)
        if author:
            (author.events if known else author.doubtful).append(row)
        return row

    def when(self, person: Person) -> float:
        return self.chance.uniform(person.first_day, person.last_day) * DAY

    def name_of(self, person: Person, at: float) -> tuple[str, str]:
        """(the name as written at that time, what is particular about it)."""
        called = person.called
        if person.new_family and at > (person.first_day + person.last_day) / 2 * DAY:
            called = Called(called.culture, called.given, person.new_family, called.is_woman, called.suffix)
        return names.written(called, self.chance)

    def browser(self, person: Person, at: float) -> str:
        return [cookie for since, cookie in person.browsers if since * DAY <= at][-1]

    def records(self, person: Person) -> None:
        """What makes all of a person's identifiers one: records of customers, log-ins, forms."""
        chance = self.chance
        begin = person.first_day * DAY + chance.uniform(0, 20_000)
        is_told = bool(person.mailbox) and chance.random() < 0.5
        person.uses_mailbox = is_told and bool(person.user) and bool(person.account)
        email = person.mailbox if is_told else person.email
        if person.user:
            name, _ = self.name_of(person, begin)
            self.event(person, "shop", "web", begin, name=name, user=person.user, email=person.email,
                       phone=person.phone, born=person.born if chance.random() < 0.4 else "")  # fmt: skip
            if person.other_email:
                self.event(person, "shop", "web", (person.first_day + person.last_day) / 2 * DAY, user=person.user,
                           name=self.name_of(person, DAYS * DAY)[0], email=person.other_email)  # fmt: skip
        if person.account:
            at = begin + chance.uniform(0, 10) * DAY
            has_line = bool(person.line) and chance.random() < 0.6
            own = OWN_PHONE if chance.random() < 0.01 else UNKNOWN_OWN_PHONE if chance.random() < 0.01 else ""
            self.event(person, "crm", "in_person", at, name=self.name_of(person, at)[0], account=person.account,
                       email=email if person.user else person.email,
                       phone=own or (person.line if has_line and person.user else person.phone),
                       born=person.born if chance.random() < 0.6 else "")  # fmt: skip
        for since, cookie in person.browsers:
            at = max(since * DAY, begin) + chance.uniform(0, DAY)
            if person.user:
                self.event(person, "web", "web", at, cookie=cookie, user=person.user)
            else:
                self.event(
                    person, "forms", "web", at, cookie=cookie, email=person.email, name=self.name_of(person, at)[0]
                )
        if person.device:
            reached = {"user": person.user} if person.user else {"email": person.email}
            self.event(person, "app", "web", begin + DAY, device=person.device, **reached)
        if person.loyalty:
            self.event(person, "store", "in_person", begin + 2 * DAY, loyalty=person.loyalty, email=person.email,
                       name=self.name_of(person, begin)[0])  # fmt: skip
        if person.handle:
            self.event(person, "social", "web", begin + 3 * DAY, handle=person.handle, email=person.email)
        if not person.user and not person.account:
            raise AssertionError("everybody is known somewhere")

    def contacts(self, person: Person, count: int) -> None:
        """So many ordinary contacts of theirs."""
        chance = self.chance
        for _ in range(count):
            at, dice = self.when(person), chance.random()
            name, manner = self.name_of(person, at)
            if dice < 0.42:
                cookie = self.browser(person, at)
                row = self.event(person, "web", "web", at, cookie=cookie,
                                 user=person.user if person.user and chance.random() < 0.3 else "")  # fmt: skip
                manner = "browser" if person.browsers[0][1] != cookie else "plain"
            elif dice < 0.52 and person.device:
                row = self.event(person, "app", "web", at, device=person.device)
                manner = "plain"
            elif dice < 0.70:
                shown = name if chance.random() < 0.4 else ""
                row = self.event(
                    person, "calls", "phone", at, phone=person.phone, name=shown, account=self._typed(person)
                )
                manner = manner if shown else "plain"
            elif dice < 0.78:
                row = self.event(person, "sms", "sms", at, phone=person.phone)
                manner = "plain"
            elif dice < 0.90:
                is_new = bool(person.other_email) and at > (person.first_day + person.last_day) / 2 * DAY
                row = self.event(person, "mail", "email", at, email=person.other_email if is_new else person.email,
                                 name=name if chance.random() < 0.6 else "")  # fmt: skip
                manner = "second_address" if is_new else manner
            elif dice < 0.96 or not (person.loyalty or person.handle):
                row = self.event(person, "forms", "web", at, email=person.email, name=name, cookie=self.browser(person, at),
                                 phone=person.phone if chance.random() < 0.5 else "",
                                 born=person.born if chance.random() < 0.1 else "")  # fmt: skip
            elif person.loyalty:
                row = self.event(person, "store", "in_person", at, loyalty=person.loyalty)
                manner = "plain"
            else:
                row = self.event(person, "social", "web", at, handle=person.handle)
                manner = "plain"
            if manner in ("transliterated", "nickname", "swapped", "misspelt", "initial", "browser", "second_address"):
                self.must(manner, row, chance.choice(person.events[:2]))

    def _typed(self, person: Person) -> str:
        """The customer number that an agent types during a call, now and then somebody else's."""
        chance = self.chance
        if chance.random() > 0.15:
            return ""
        if chance.random() < 0.06 and self.strangers:
            other = chance.choice(self.strangers)
            if other is not person and other.account and other.events:
                self.between("wrong_account", person, other)
                return other.account
        return person.account

    # What is known of it ---------------------------------------------------------------------------------------

    def must(self, phenomenon: str, a: int, b: int) -> None:
        if a != b:
            self.company.must.setdefault(phenomenon, []).append((a, b))

    def cannot(self, phenomenon: str, a: int, b: int) -> None:
        self.company.cannot.setdefault(phenomenon, []).append((a, b))

    def between(self, phenomenon: str, one: Person, other: Person, pairs: int = 2) -> None:
        """Pairs of the two, when all has happened."""
        self.pending.append((phenomenon, one, other, pairs))

    def settle(self) -> None:
        for phenomenon, one, other, pairs in self.pending:
            for _ in range(pairs):
                if one.events and other.events:
                    a = self.chance.choice(one.events + one.doubtful)
                    self.cannot(phenomenon, a, self.chance.choice(other.events))
        for person in self.people:
            if len(person.events) > 1:
                self.must("any", *self.chance.sample(person.events, 2))

    pending: list[tuple[str, Person, Person, int]]

    # Scenes ----------------------------------------------------------------------------------------------------

    def make(self, events: int) -> Company:
        self.pending = []
        scenes = (
            (34, self.single), (17, self.household), (8, self.office), (7, self.recycled), (4, self.father_and_son),
            (4, self.twins), (5, self.namesakes), (4, self.passed_on), (3, self.newly_wed), (3, self.kiosk), (3, self.bot),
            (2, self.small_bot), (2, self.guests),
        )  # fmt: skip
        weights, makers = zip(*scenes, strict=True)
        while len(self.company.rows) < events:
            self.chance.choices(makers, weights)[0]()
        self.settle()
        return self.company

    def live(self, *people: Person) -> None:
        for person in people:
            self.records(person)
            self.contacts(person, min(int(self.chance.expovariate(1 / 7)) + 1, 60))
            if self.chance.random() < 0.1 or not self.strangers:
                self.strangers = [*self.strangers[-200:], person]

    def single(self) -> None:
        person = self.person()
        if self.chance.random() < 0.15 and person.user:
            person.other_email = self.address(person.called)
        self.live(person)

    def newly_wed(self) -> None:
        person = self.person()
        person.user = person.user or f"u{self.shard}{self.number():07d}"
        person.new_family = names.draw_family(self.chance, person.called.culture)
        self.live(person)
        middle = (person.first_day + person.last_day) / 2
        for row in person.events[-3:]:
            if self.company.rows[row][1] > middle * DAY:
                self.must("new_surname", row, person.events[0])
        at = self.chance.uniform(middle + 1, person.last_day) * DAY
        form = self.event(
            person, "forms", "web", at, email=person.email, phone=person.phone, name=self.name_of(person, at)[0]
        )
        self.must("new_surname", form, person.events[0])

    def family(self, size: int) -> list[Person]:
        chance = self.chance
        first = names.draw(chance)
        members, taken = [], {first.given[:3]}
        for number in range(size):
            called = first
            while number and called.given[:3] in taken:
                called = names.draw(chance, first.culture, first.family)
            taken.add(called.given[:3])
            members.append(self.person(called))
        return members

    def household(self) -> None:
        chance = self.chance
        members = self.family(chance.choices((2, 3, 4, 5), (5, 3, 2, 1))[0])
        line = self.landline() if chance.random() < 0.7 else ""
        mailbox = f"{chance.choice(('familie', 'family', 'casa', 'wir'))}{self.number()}{self.shard}@{MAIL_DOMAINS[0]}"
        has_mailbox, has_tablet = chance.random() < 0.4, chance.random() < 0.5
        for member in members:
            member.line = line
            member.mailbox = mailbox if has_mailbox else ""
        self.live(*members)
        for member in members:
            for number in range(chance.randrange(4) if line else 0):
                at = self.when(member)
                shown = names.plain(member.called) if chance.random() < 0.4 and number and member.account else ""
                row = self.event(member, "calls", "phone", at, phone=line, known=bool(shown), name=shown,
                                 account="" if number else member.account)  # fmt: skip
                if shown:
                    self.must("caller_of_a_family", row, member.events[0])
            for _ in range(chance.randrange(3) if has_mailbox else 0):
                shown = names.plain(member.called) if chance.random() < 0.5 else ""
                is_known = bool(shown) and member.uses_mailbox
                self.event(member, "mail", "email", self.when(member), email=mailbox, known=is_known, name=shown)
        if has_tablet:
            self.tablet(members)
        for one, other in _pairs(members):
            self.between("household", one, other)

    def tablet(self, members: list[Person]) -> None:
        """One browser; whoever looks at pages has logged in or said who they are a few minutes before."""
        chance, cookie, device = self.chance, self.token("c"), self.token("d")
        kind = chance.choice(("cookie", "device"))
        value = cookie if kind == "cookie" else device
        for _ in range(chance.randrange(2, 5) * len(members)):
            member = chance.choice(members)
            at = self.when(member)
            told = {"user": member.user} if member.user else {"email": member.email}
            login = self.event(member, "web" if kind == "cookie" else "app", "web", at, **{kind: value}, **told)
            for minute in range(1, chance.randrange(1, 5)):
                row = self.event(
                    member, "web" if kind == "cookie" else "app", "web", at + 2 * minute * MINUTE, **{kind: value}
                )
                self.must("shared_device", row, login)
        for one, other in _pairs(members):
            self.between("shared_device", one, other, 1)

    def office(self) -> None:
        chance = self.chance
        domain = f"firm{self.shard}{self.number()}.example.com"
        switchboard, fax = self.landline(), self.landline()
        mailbox = f"{chance.choice(('info', 'office', 'sales', 'kontakt', 'einkauf'))}@{domain}"
        staff = [self.person() for _ in range(chance.choices((2, 3, 5, 9, 20), (3, 3, 3, 2, 1))[0])]
        for one in staff:
            given, family = map(names.folded, names.parts(one.called))
            one.email = (
                f"{given}.{family}.{self.number()}@{domain}"
                if chance.random() < 0.3
                else f"{given[:1]}{family}{one.number}@{domain}"
            )
            one.line, one.mailbox = switchboard, mailbox if chance.random() < 0.3 else ""
        self.live(*staff)
        for one in staff:
            for _ in range(chance.randrange(4)):
                shown = chance.choice(("", domain.split(".")[0], names.plain(one.called)))
                self.event(one, "calls", "phone", self.when(one), phone=switchboard, known=False, name=shown,
                           account=one.account if chance.random() < 0.4 else "")  # fmt: skip
            for _ in range(chance.randrange(3)):
                self.event(one, "mail", "email", self.when(one), email=mailbox, known=False,
                           name=names.plain(one.called) if chance.random() < 0.5 else "")  # fmt: skip
            if chance.random() < 0.3:
                self.event(None, "fax", "fax", self.when(one), fax=fax)  # nothing says who of them
        for one, other in _pairs(staff)[:12]:
            self.between("office", one, other, 1)

    def recycled(self) -> None:
        """One number, two holders, one after the other; now and then three."""
        chance = self.chance
        holders = [self.person() for _ in range(2 if chance.random() < 0.85 else 3)]
        phone, day, each = holders[0].phone, 0, DAYS // len(holders)
        for holder in holders:
            holder.phone = phone
            gap = chance.randrange(40, 200)
            holder.first_day, holder.last_day = day, min(day + each - gap, DAYS - 1)
            holder.browsers = [(day, self.token("c"))]
            day += each
        self.live(*holders)
        for holder in holders:
            for _ in range(chance.randrange(1, 4)):
                row = self.event(holder, "calls", "phone", self.when(holder), phone=phone)
                self.must("recycled_number", row, holder.events[0])
        for one, other in _pairs(holders):
            self.between("recycled_number", one, other, 4)

    def passed_on(self) -> None:
        """A device or browser that was one person's and is another's now."""
        first, second = self.person(), self.person()
        device = self.token("d")
        for holder, since, until in ((first, 0, 480), (second, 520, DAYS - 1)):
            holder.first_day, holder.last_day = since, until
            holder.browsers = [(since, self.token("c"))]
            holder.device = device
        self.live(first, second)
        for holder in (first, second):
            row = self.event(holder, "app", "web", self.when(holder), device=device)
            self.must("device_passed_on", row, holder.events[0])
        self.between("device_passed_on", first, second, 3)

    def father_and_son(self) -> None:
        chance = self.chance
        called = names.draw(chance, "en")
        father, son = (
            self.person(Called("en", called.given, called.family, called.is_woman, suffix), born)
            for suffix, born in (("Sr", f"19{chance.randrange(40, 60)}-03-0{chance.randrange(1, 10)}"), ("Jr", f"19{chance.randrange(70, 95)}-11-1{chance.randrange(10)}"))
        )  # fmt: skip
        father.line = son.line = self.landline()
        self.live(father, son)
        for one in (father, son):
            self.event(one, "calls", "phone", self.when(one), phone=one.line, known=False)
        self.between("jr_sr", father, son, 4)

    def twins(self) -> None:
        chance = self.chance
        one, other = self.family(2)
        other.born = one.born
        line = self.landline()
        one.line = other.line = line
        mailbox = self.address(one.called) if chance.random() < 0.3 else ""
        one.mailbox = other.mailbox = mailbox
        self.live(one, other)
        self.between("twins", one, other, 4)

    def namesakes(self) -> None:
        called = names.draw(self.chance)
        several = [self.person(called) for _ in range(self.chance.randrange(2, 4))]
        self.live(*several)
        for one, other in _pairs(several):
            self.between("namesakes", one, other)

    def kiosk(self) -> None:
        """A terminal in a shop: many log in at it, and many look at it without."""
        chance = self.chance
        kind, value = chance.choice((("cookie", self.token("c")), ("device", self.token("d"))))
        visitors = [self.person() for _ in range(chance.randrange(6, 25))]
        self.live(*visitors)
        for visitor in visitors:
            at = self.when(visitor)
            told = {"loyalty": visitor.loyalty} if visitor.loyalty else {"email": visitor.email}
            row = self.event(visitor, "store", "in_person", at, **{kind: value}, **told)
            self.must("kiosk", row, visitor.events[0])
            self.event(None, "store", "in_person", at + 3 * DAY / 24, **{kind: value})
        for one, other in _pairs(visitors)[:10]:
            self.between("kiosk", one, other, 1)

    def bot(self) -> None:
        """A program that fills in forms with addresses and numbers of people it has never met."""
        self._bot("bot", self.chance.randrange(8, 60))

    def small_bot(self) -> None:
        self._bot("small_bot", self.chance.randrange(2, 4))

    def _bot(self, phenomenon: str, size: int) -> None:
        chance = self.chance
        victims = [self.person() for _ in range(min(size, 25))]
        self.live(*victims)
        cookie = self.token("c")
        begin = chance.uniform(400, DAYS - 1) * DAY
        for number in range(size):
            victim = victims[number % len(victims)]
            said = chance.choice(("", names.plain(names.draw(chance)), names.plain(victim.called)))
            self.event(None, "forms", "web", begin + number * 20, cookie=cookie, name=said, email=victim.email,
                       phone=victim.phone if chance.random() < 0.3 else "")  # fmt: skip
        for one, other in _pairs(victims)[:10]:
            self.between(phenomenon, one, other, 1)

    def guests(self) -> None:
        """Values that a system writes where it knows none."""
        chance = self.chance
        people = [self.person() for _ in range(4)]
        self.live(*people)
        for one in people:
            self.event(
                one,
                "web",
                "web",
                self.when(one),
                cookie=self.browser(one, DAYS * DAY),
                user=chance.choice(("guest", "anonymous")),
            )
            self.event(one, "web", "web", self.when(one), user=one.user, cookie=chance.choice(("0", "null", "undefined", "anonymous")),
                       email="" if one.user else one.email)  # fmt: skip
            self.event(one, "forms", "web", self.when(one), email=chance.choice(("none@none.com", "test@test.com", "noemail@example.com", "x@x.de")),
                       phone=one.phone, name=names.plain(one.called))  # fmt: skip
        for one, other in _pairs(people):
            self.between("anonymous", one, other, 1)


def _pairs(people: Iterable[Person]) -> list[tuple[Person, Person]]:
    listed = list(people)
    return [(one, other) for place, one in enumerate(listed) for other in listed[place + 1 :]]


# Files -----------------------------------------------------------------------------------------------------------


def write(
    folder: Path, events: int, dialect: str, seed: int = 2026, shards: int = 1, *, is_split: bool = False
) -> None:
    """Source files under `folder`/landing, `folder`/sources.yml and the truth: `author-*.parquet` (id, person) and
    `pairs-*.parquet` (kind, slice, a, b). With `is_split` the newest hundredth is under `folder`/next."""
    for shard in range(shards):
        company = Maker(seed, shard).make(events // shards)
        newest = sorted(row[1] for row in company.rows)[-len(company.rows) // 100] if is_split else DAYS * DAY
        for part, rows in (
            ("landing", [row for row in company.rows if row[1] < newest]),
            ("next", [row for row in company.rows if row[1] >= newest]),
        ):
            if rows:
                deliver(folder / part, rows, dialect, shard, random.Random(seed + shard))
        ids = [row[0] for row in company.rows]
        pq.write_table(pa.table({"id": ids, "person": company.authors}), folder / f"author-{shard}.parquet")
        pairs = [
            (kind, phenomenon, ids[a], ids[b])
            for kind, slices in (("must", company.must), ("cannot", company.cannot))
            for phenomenon, found in slices.items()
            for a, b in found
        ]
        columns = zip(("kind", "slice", "a", "b"), zip(*pairs, strict=True), strict=True)
        pq.write_table(pa.table({name: list(values) for name, values in columns}), folder / f"pairs-{shard}.parquet")
    (folder / "sources.yml").write_text(yaml.safe_dump(sources(dialect), sort_keys=False), "utf-8")
    (folder / "own.yml").write_text(yaml.safe_dump({"domains": [OWN_DOMAIN], "phones": [OWN_PHONE]}), "utf-8")


def deliver(landing: Path, rows: list[tuple[Any, ...]], dialect: str, shard: int, chance: random.Random) -> None:
    """Two files a system: the second brings what was late, and a hundredth of the first again."""
    systems: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        systems.setdefault(row[2] if dialect == "systems" else "events", []).append(row)
    for system, found in systems.items():
        late = [row for row in found if chance.random() < 0.05]
        again = [row for row in found if chance.random() < 0.01]
        held = set(map(id, late))
        for part, listed in (("1", [row for row in found if id(row) not in held]), ("2", late + again)):
            path = landing / system
            path.mkdir(parents=True, exist_ok=True)
            with (path / f"{system}-{shard}-{landing.name}-{part}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows(_stamped(row) for row in listed)


def _stamped(row: tuple[Any, ...]) -> list[Any]:
    return [row[0], f"{START + timedelta(seconds=row[1]):%Y-%m-%dT%H:%M:%SZ}", *row[2:]]


def sources(dialect: str) -> dict[str, Any]:
    """The configuration that a data engineer would write for these files."""
    identifiers = [
        {"type": "email", "column": "email"},
        {"type": "phone", "column": "phone"},
        {"type": "fax", "column": "fax"},
        {"type": "cookie", "column": "cookie", "namespace": "web"},
        {"type": "device", "column": "device", "namespace": "app"},
        {"type": "user_id", "column": "user", "namespace": "shop"},
        {"type": "account_ref", "column": "account", "namespace": "crm"},
        {"type": "loyalty", "column": "loyalty", "namespace": "card"},
        {"type": "handle", "column": "handle", "namespace": "social"},
    ]
    interaction = {"channel": "channel", "occurred_at": "at"}
    record = {"full_name": "name", "birth_date": "born", "observed_at": "at"}
    named = {"when": {"column": "name", "present": True}}
    sections: dict[str, dict[str, Any]] = {
        **{name: {"interaction": interaction} for name in ("web", "app", "sms", "fax", "social")},
        **{name: {"interaction": interaction | {"name_hint": "name"}} for name in ("calls", "mail")},
        "crm": {"contact_record": record | {"kind": {"value": "contact"}}},
        "shop": {"contact_record": record | {"kind": {"value": "user"}}},
        "forms": {"interaction": interaction, "contact_record": record | {"kind": {"value": "form"}} | named},
        "store": {"interaction": interaction, "contact_record": record | {"kind": {"value": "contact"}} | named},
    }
    if dialect == "hints":
        sections = {"events": {"interaction": interaction | {"name_hint": "name"}}}
    if dialect == "bare":
        sections = {"events": {"interaction": interaction}}
    if dialect == "facts":
        sections = {
            "events": {"interaction": interaction, "contact_record": record | {"kind": {"value": "form"}} | named}
        }
    return {
        "version": 1,
        "company": {"timezone": "UTC", "own_identities": "own.yml"},
        "sources": {
            name: {
                "connector": "mapped",
                "location": f"{name}/*.csv",
                "timezone": "UTC",
                "mapping": {"format": "csv", "record_id": "id", **mapping, "identifiers": identifiers},
            }
            for name, mapping in sections.items()
        },
    }


if __name__ == "__main__":
    import sys

    where, count, how, many = sys.argv[1:5]
    write(Path(where), int(count), how, shards=int(many))
    print(json.dumps({"events": int(count), "dialect": how}))
