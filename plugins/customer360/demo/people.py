"""The made-up company's people: households, businesses with switchboards, namesakes, and what identifies them."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from customer360.demo.campaigns import CAMPAIGNS, FAIRS, Campaign
from customer360.demo.names import LANGUAGES, draw_language, slug

# City, its first postal code and its telephone area code.
CITIES: Final = (
    ("Berlin", 10115, "30"),
    ("Hamburg", 20095, "40"),
    ("Kiel", 24103, "431"),
    ("Bremen", 28195, "421"),
    ("Rostock", 18055, "381"),
    ("Lübeck", 23552, "451"),
)
STREETS: Final = ("Hafenstraße", "Am Kanal", "Lindenweg", "Werftallee", "Marktplatz", "Birkenweg", "Deichstraße")
TRADES: Final = ("Bau", "Dachtechnik", "Holzwerk", "Metallbau", "Elektro", "Gartenbau", "Sanitär", "Montage")
TITLES: Final = ("Einkauf", "Werkstattleitung", "Geschäftsführung", "Bauleitung", "Buchhaltung", "Lager")
MAIL_DOMAINS: Final = ("mail.example.com", "post.example.net", "web.example.org")


@dataclass(frozen=True, slots=True)
class Account:
    """A business customer: several people behind one switchboard and one info@ mailbox."""

    number: int
    name: str
    domain: str
    switchboard: str
    city: str
    postal_code: str

    @property
    def account_id(self) -> str:
        return f"A{self.number:04d}"


@dataclass(frozen=True, slots=True)
class SecondSelf:
    """What somebody also goes by: another browser and another address, which nothing ties to the first yet."""

    cookie: str
    anonymous_id: str
    email: str


@dataclass(slots=True)
class Person:
    """One human being, with all that may identify them. Instants are UTC."""

    person_id: int
    given: str
    family: str
    email: str
    mobile: str  # E.164
    landline: str | None  # a household's line or a business's switchboard
    cookie: str  # Snowplow's domain_userid
    anonymous_id: str  # Segment's anonymousId
    campaign: Campaign  # what truly brought them
    arrives: datetime
    birth_date: date
    city: str
    postal_code: str
    street: str
    account: Account | None = None
    household: int | None = None
    is_trader: bool = False  # a private customer with a one-person firm
    user_id: str | None = None  # log-in of the shop, once they have one
    subscribed: bool = False  # to the newsletter
    leaves: datetime | None = None  # nothing happens from here on; the mobile number goes back
    second: SecondSelf | None = None
    notes: list[str] = field(default_factory=list)  # phenomena this person stands for

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def in_salesforce(self) -> bool:
        """Business people are kept in Salesforce, private ones in HubSpot."""
        return self.account is not None

    @property
    def hubspot_id(self) -> str:
        return str(700_000 + self.person_id)


def make_people(rng: random.Random, count: int, start: datetime, end: datetime) -> tuple[list[Person], list[Account]]:
    """`count` people arriving between `start` and `end`, a fifth of them at businesses."""
    accounts = [_account(rng, number) for number in range(max(2, count // 40))]
    people: list[Person] = []
    used: set[str] = set()
    while len(people) < count:
        if rng.random() < 0.2:
            account = rng.choice(accounts)
            people.append(_person(rng, len(people) + 1, start, end, used, account=account))
        else:
            size = min(rng.choices((1, 2, 3), (66, 25, 9))[0], count - len(people))
            people += _household(rng, len(people) + 1, size, start, end, used)
    _recycle_numbers(rng, people, start, end)
    _second_selves(rng, people, start, end)
    _mark_namesakes(people)
    return people, accounts


def _person(
    rng: random.Random,
    number: int,
    start: datetime,
    end: datetime,
    used: set[str],
    *,
    account: Account | None = None,
    family: str | None = None,
    language: str | None = None,
) -> Person:
    language = language or draw_language(rng)
    _, givens, families = LANGUAGES[language]
    given, family = rng.choice(givens), family or rng.choice(families)
    city, postal, area = rng.choice(CITIES)
    campaign = rng.choices(CAMPAIGNS, [each.weight for each in CAMPAIGNS])[0]
    return Person(
        person_id=number,
        given=given,
        family=family,
        email=_email(rng, given, family, account.domain if account else rng.choice(MAIL_DOMAINS), used),
        mobile=f"+49151{20_000_000 + number * 7 + rng.randrange(7):08d}",
        landline=account.switchboard if account else _landline(rng, area) if rng.random() < 0.4 else None,
        cookie=uuid(rng),
        anonymous_id=uuid(rng),
        campaign=campaign,
        arrives=_arrival(rng, campaign, start, end),
        birth_date=date(1940 + rng.randrange(65), rng.randrange(1, 13), rng.randrange(1, 29)),
        city=account.city if account else city,
        postal_code=account.postal_code if account else str(postal + rng.randrange(40)).zfill(5),
        street=f"{rng.choice(STREETS)} {rng.randrange(1, 120)}",
        account=account,
        is_trader=account is None and rng.random() < 0.08,
        subscribed=rng.random() < 0.4,
    )


def _arrival(rng: random.Random, campaign: Campaign, start: datetime, end: datetime) -> datetime:
    """When somebody first meets the company: any time by day, or during a fair; more and more as it grows."""
    if campaign.name == "trade_fair":
        fair = rng.choice(
            [day for day in FAIRS if start.date() < day < end.date()] or [start.date() + timedelta(days=30)]
        )
        hour = timedelta(days=rng.randrange(3), hours=rng.randrange(8, 16), minutes=rng.randrange(60))
        return datetime(fair.year, fair.month, fair.day, tzinfo=start.tzinfo) + hour
    minutes = (end - start) / timedelta(minutes=1)
    return start + timedelta(minutes=int(rng.random() ** 0.9 * minutes), seconds=rng.randrange(60))


def _household(
    rng: random.Random, first: int, size: int, start: datetime, end: datetime, used: set[str]
) -> list[Person]:
    """`size` people of one family name; from two on with a common line and perhaps mailbox and computer."""
    language = draw_language(rng)
    family = rng.choice(LANGUAGES[language][2])
    members = [
        _person(rng, number, start, end, used, family=family, language=language)
        for number in range(first, first + size)
    ]
    head = members[0]
    if size == 1:
        return members
    head.landline = head.landline or _landline(rng, rng.choice(CITIES)[2])
    for member in members:
        member.household = first
        member.landline, member.city, member.postal_code, member.street = (
            head.landline, head.city, head.postal_code, head.street,
        )  # fmt: skip
        member.notes.append("household")
    _share(rng, members[0], members[1], used)
    return members


def _share(rng: random.Random, one: Person, other: Person, used: set[str]) -> None:
    """What two of a household have in common beside the line."""
    if rng.random() < 0.4:
        one.email = other.email = _free(f"familie.{slug(one.family)}@{rng.choice(MAIL_DOMAINS)}", used)
        _note("couple_mailbox", one, other)
    if rng.random() < 0.3:
        other.cookie, other.anonymous_id = one.cookie, one.anonymous_id
        _note("family_device", one, other)
    kind = rng.random()
    if kind < 0.06:  # father and son
        other.given = one.given
        other.birth_date = one.birth_date.replace(year=one.birth_date.year + 27)
        _note("senior_junior", one, other)
    elif kind < 0.1 and one.given != other.given:
        other.birth_date = one.birth_date
        _note("twins", one, other)


def _recycle_numbers(rng: random.Random, people: list[Person], start: datetime, end: datetime) -> None:
    """Some numbers of people who leave early go to somebody else more than half a year later."""
    alone = [person for person in people if person.household is None and person.account is None]
    early = [person for person in alone if person.arrives < start + (end - start) * 0.3]
    late = [person for person in alone if person.arrives > start + (end - start) * 0.75]
    count = min(max(1, len(people) // 150), len(early), len(late))
    for old, new in zip(early[:count], rng.sample(late, count), strict=True):
        new.mobile = old.mobile
        old.leaves = old.arrives + timedelta(days=90)
        _note("recycled_number", old, new)


def _second_selves(rng: random.Random, people: list[Person], start: datetime, end: datetime) -> None:
    """A few early customers also come from another browser, under another address."""
    fit = [
        person
        for person in people
        if not person.notes and person.account is None and person.arrives < start + (end - start) * 0.6
    ]
    for person in fit[: max(2, len(people) // 500)]:
        address = f"{slug(person.family)}.werkstatt{person.person_id}@{rng.choice(MAIL_DOMAINS)}"
        person.second = SecondSelf(uuid(rng), uuid(rng), address)
        _note("two_identities", person)


def _mark_namesakes(people: list[Person]) -> None:
    by_name: dict[str, list[Person]] = defaultdict(list)
    for person in people:
        by_name[person.name].append(person)
    for same in by_name.values():
        if len(same) > 1:
            _note("namesake", *same)


def _note(phenomenon: str, *people: Person) -> None:
    for person in people:
        person.notes.append(phenomenon)


def _account(rng: random.Random, number: int) -> Account:
    family, trade = rng.choice(LANGUAGES["de"][2]), rng.choice(TRADES)
    city, postal, area = rng.choice(CITIES)
    return Account(
        number=number,
        name=f"{family} {trade} GmbH",
        domain=f"{slug(family)}-{slug(trade)}-{number}.example.com",
        switchboard=f"+49{area}{4_000_000 + number * 11:07d}",
        city=city,
        postal_code=str(postal).zfill(5),
    )


def _landline(rng: random.Random, area: str) -> str:
    return f"+49{area}{rng.randrange(5_000_000, 9_999_999)}"


def _email(rng: random.Random, given: str, family: str, domain: str, used: set[str]) -> str:
    g, f = slug(given), slug(family)
    local = rng.choice((f"{g}.{f}", f"{g[0]}.{f}", f"{g}{f}", f"{f}.{g}"))
    return _free(f"{local}@{domain}", used)


def _free(address: str, used: set[str]) -> str:
    """`address`, with a number in its local part if somebody has it already."""
    local, _, domain = address.partition("@")
    suffix = 2
    while address in used:
        address, suffix = f"{local}{suffix}@{domain}", suffix + 1
    used.add(address)
    return address


def uuid(rng: random.Random) -> str:
    """A random UUID (version 4 in form)."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
