"""The made-up company's people: households, businesses with switchboards, namesakes, and their traits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

GIVEN = (
    "Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Klara Lukas Mia Noah Paula Quirin Rosa Simon Tilda Ulrich "
    "Vera Wilhelm Yusuf Zeynep Ayşe Mehmet Fatma Emre Katarzyna Piotr Agnieszka Tomasz Olena Andriy Wei Ming Li Mei "
    "James Olivia Harry Amelia José Lucía Jürgen Günther Käthe Björn Sören Renée"
).split()
FAMILY = (
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf "
    "Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Krause Lehmann Köhler Maier Huber Kaiser "
    "Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Keller Vogel Friedrich Günther Berger Winkler Lorenz Baumann Franke "
    "Yılmaz Kaya Demir Şahin Çelik Kowalski Nowak Wiśniewski Shevchenko Bondarenko Wang Zhang Chen Smith Jones García"
).split()
NICKNAMES = {"Katarzyna": "Kasia", "Wilhelm": "Willi", "Ulrich": "Uli", "Hannes": "Johannes", "Tomasz": "Tomek"}
CITIES = (("Berlin", "10115"), ("Hamburg", "20095"), ("Kiel", "24103"), ("Bremen", "28195"), ("Rostock", "18055"))
TRADES = ("Bau", "Dachtechnik", "Holzwerk", "Metallbau", "Elektro", "Gartenbau", "Sanitär", "Montage")
ASCII = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ş": "s", "Ş": "S", "ı": "i", "ç": "c",
     "Ç": "C", "ğ": "g", "ś": "s", "é": "e", "í": "i"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Campaign:
    """A true source of customers. `platform` None: nothing is spent on it."""

    name: str
    acquisition_source: str  # media | website | event | referral | sales_rep
    platform: str | None
    utm: dict[str, str]
    referrer: str | None
    weight: int


CAMPAIGNS = (
    Campaign("spring_drills", "media", "google_ads", {"source": "google", "medium": "cpc"}, "https://www.google.com/", 18),
    Campaign("cordless_week", "media", "google_ads", {"source": "google", "medium": "cpc"}, "https://www.google.com/", 10),
    Campaign("workshop_reels", "media", "meta", {"source": "facebook", "medium": "paid_social"}, "https://l.facebook.com/", 12),
    Campaign("organic_search", "website", None, {}, "https://www.google.de/", 16),
    Campaign("direct", "website", None, {}, None, 10),
    Campaign("partner_blog", "referral", None, {}, "https://werkstattblog.example.com/test", 8),
    Campaign("trade_fair", "event", None, {}, None, 10),
    Campaign("field_sales", "sales_rep", None, {}, None, 16),
)  # fmt: skip


@dataclass(slots=True)
class Person:
    """One human being (or nobody in particular, for noise), with all that may identify them."""

    person_id: int
    given: str
    family: str
    email: str
    mobile: str
    landline: str | None
    cookie: str
    campaign: Campaign
    arrives: datetime
    account: Account | None = None
    household: int | None = None
    user_id: str | None = None
    crm_id: str | None = None  # Salesforce for business, HubSpot for private customers
    mobile_until: datetime | None = None  # the number goes to somebody else later
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(slots=True)
class Account:
    """A business customer: several people behind one switchboard and one info@ mailbox."""

    account_id: str
    name: str
    domain: str
    switchboard: str
    crm_id: str


def make_people(rng: random.Random, count: int, start: datetime, end: datetime) -> tuple[list[Person], list[Account]]:
    """`count` people arriving between `start` and `end`, a fifth of them at businesses."""
    people: list[Person] = []
    accounts = [_account(rng, number) for number in range(max(2, count // 40))]
    span = (end - start) / timedelta(minutes=1)
    used: set[str] = set()
    while len(people) < count:
        business = rng.random() < 0.2
        account = rng.choice(accounts) if business else None
        size = 1 if business else rng.choices((1, 2, 3), (70, 22, 8))[0]
        family, landline = rng.choice(FAMILY), _landline(rng)
        for member in range(min(size, count - len(people))):
            given = rng.choice(GIVEN)
            number = len(people)
            person = Person(
                person_id=number + 1,
                given=given,
                family=family,
                email=_email(rng, given, family, account, used),
                mobile=f"+49151{20000000 + number * 7 + rng.randrange(7):08d}",
                landline=account.switchboard if account else landline if size > 1 or rng.random() < 0.5 else None,
                cookie=f"{rng.getrandbits(128):032x}",
                campaign=rng.choices(CAMPAIGNS, [each.weight for each in CAMPAIGNS])[0],
                arrives=start + timedelta(minutes=int(rng.random() ** 0.9 * span)),
                account=account,
                household=number - member if size > 1 else None,
            )
            if size > 1:
                person.notes.append("household")
            people.append(person)
    _recycle_numbers(rng, people, start, end)
    return people, accounts


def _recycle_numbers(rng: random.Random, people: list[Person], start: datetime, end: datetime) -> None:
    """Some numbers of early leavers go to somebody else more than half a year later."""
    early = [p for p in people if p.arrives < start + (end - start) * 0.3 and not p.household and not p.account]
    late = [p for p in people if p.arrives > start + (end - start) * 0.75 and not p.household and not p.account]
    for old, new in zip(
        early[: len(people) // 150], rng.sample(late, min(len(late), len(people) // 150)), strict=False
    ):
        new.mobile = old.mobile
        old.mobile_until = old.arrives + timedelta(days=60)
        for person in (old, new):
            person.notes.append("recycled_number")


def _account(rng: random.Random, number: int) -> Account:
    family, trade = rng.choice(FAMILY), rng.choice(TRADES)
    slug = f"{family.lower().translate(ASCII)}-{trade.lower().translate(ASCII)}-{number}"
    return Account(f"A{number:04d}", f"{family} {trade} GmbH", f"{slug}.example.com", f"+4940{4000000 + number * 11:07d}",
                   salesforce_id("001", number))  # fmt: skip


def _landline(rng: random.Random) -> str:
    return f"+4943{rng.randrange(10, 99)}{rng.randrange(100000, 999999)}"


def _email(rng: random.Random, given: str, family: str, account: Account | None, used: set[str]) -> str:
    g, f = given.lower().translate(ASCII), family.lower().translate(ASCII)
    local = rng.choice((f"{g}.{f}", f"{g[0]}.{f}", f"{g}{f}", f"{f}.{g}"))
    domain = account.domain if account else rng.choice(("mail.example.com", "post.example.net", "web.example.org"))
    address, suffix = f"{local}@{domain}", 2
    while address in used:
        address, suffix = f"{local}{suffix}@{domain}", suffix + 1
    used.add(address)
    return address


def salesforce_id(prefix: str, number: int) -> str:
    """An 18-character id of Salesforce's form, with a valid checksum."""
    text = f"{prefix}5g00000{number:05d}"
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(letters[sum(char.isupper() << place for place, char in enumerate(part))] for part in parts)
