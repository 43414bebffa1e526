"""Salesforce: what the Data Loader exports each night — objects created or changed, with 18-character ids."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from customer360.demo.book import Purchase
from customer360.demo.formats.desk import AGENTS, Desk, table, utc
from customer360.demo.names import typed
from customer360.demo.people import Person
from customer360.demo.story import Event

_HEADERS: Final = {
    "Account": "Id,Name,Phone,Website,BillingCity,BillingPostalCode,BillingCountry,CreatedDate,LastModifiedDate",
    "Lead": "Id,FirstName,LastName,Company,Title,Email,Phone,Status,LeadSource,OwnerId,IsConverted,ConvertedContactId,"
    "CreatedDate,LastModifiedDate",
    "Contact": "Id,AccountId,FirstName,LastName,Title,Email,MobilePhone,Phone,MailingStreet,MailingCity,"
    "MailingPostalCode,MailingCountry,Birthdate,LeadSource,OwnerId,HasOptedOutOfEmail,IsDeleted,CreatedDate,LastModifiedDate",
    "Opportunity": "Id,AccountId,ContactId,Name,StageName,Amount,Probability,CloseDate,IsClosed,IsWon,LeadSource,OwnerId,"
    "CreatedDate,LastModifiedDate",
    "OpportunityHistory": "Id,OpportunityId,StageName,Amount,CreatedDate",
    "Order": "Id,OrderNumber,AccountId,OpportunityId,BillToContactId,Status,EffectiveDate,ActivatedDate,TotalAmount,"
    "CreatedDate,LastModifiedDate",
}
_PROBABILITY: Final = {"Closed Won": 100, "Closed Lost": 0, "Negotiation": 75, "Proposal": 50, "Needs Analysis": 25}
_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CHECKSUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SOURCES: Final = ("media", "website", "event", "referral", "sales_rep")


def salesforce_id(prefix: str, number: int) -> str:
    """An 18-character id: object prefix, instance, a number scattered over 8 digits of base 62, and the checksum.

    Each checksum letter says which of 5 characters are capitals.
    """
    scattered = number * 48_271 % 62**8  # 48271 shares no factor with 62: different numbers stay different
    digits = "".join(_DIGITS[scattered // 62**place % 62] for place in range(8))
    text = f"{prefix}5g00{digits}"
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(_CHECKSUM[sum(char.isupper() << place for place, char in enumerate(part))] for part in parts)


def stated(desk: Desk, person: Person) -> str:
    """What the CRM says brought somebody: right four times in five."""
    return person.campaign.acquisition_source if desk.rng.random() < 0.8 else desk.rng.choice(SOURCES)


def purchase_number(event: Event) -> int:
    """A number of its own for each purchase of each person."""
    person, cycle = event.data["key"]
    return int(person) * 4 + int(cycle)


def salesforce(desk: Desk, events: Sequence[Event], *, first: bool) -> dict[str, bytes]:
    """One CSV per object that has rows; `first` adds the accounts."""
    export = _Export(desk)
    for event in events:
        export.take(event)
    if first:
        export.accounts()
    return {
        name: content
        for name, header in _HEADERS.items()
        if (content := table(header, list(export.rows[name].values())))
    }


class _Export:
    """Rows by object and id: the last state of each within the window."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rows: dict[str, dict[str, list[Any]]] = {name: {} for name in _HEADERS}

    def take(self, event: Event) -> None:
        person = event.person
        if person is None:
            return
        if event.kind == "order":  # deliveries to private customers are kept here too
            self._order(event, person)
        if not person.in_salesforce:
            return
        if event.kind == "lead":
            self._lead(event, person, converted=False)
        elif event.kind in {"crm", "crm_change"}:
            if event.data.get("from_lead"):
                self._lead(event, person, converted=True)
            self._contact(event, person)
        elif event.kind == "deal":
            self._opportunity(event, person)

    def accounts(self) -> None:
        for account in self.desk.accounts:
            identifier = salesforce_id("001", account.number)
            self.desk.note("salesforce", "account", identifier, None, None, "switchboard")
            made = "2023-01-15T08:00:00.000Z"
            self.rows["Account"][identifier] = [
                identifier, account.name, account.switchboard, f"www.{account.domain}", account.city, account.postal_code,
                "Germany", made, made,
            ]  # fmt: skip

    def _lead(self, event: Event, person: Person, *, converted: bool) -> None:
        identifier = salesforce_id("00Q", person.person_id)
        before = self.rows["Lead"].get(identifier)
        given, family, phenomenon = typed(self.desk.rng, person.given, person.family)
        self.desk.note("salesforce", "lead", identifier, person, event, *([phenomenon] if phenomenon else []))
        names = before[1:3] if before else [given, family]
        made = before[12] if before else utc(event.at)
        self.rows["Lead"][identifier] = [
            identifier, *names, person.account.name if person.account else "", "", person.email, person.mobile,
            "Qualified" if converted else "Open - Not Contacted", before[8] if before else stated(self.desk, person),
            AGENTS[person.person_id % 2], str(converted).lower(),
            salesforce_id("003", person.person_id) if converted else "", made, utc(event.at),
        ]  # fmt: skip

    def _contact(self, event: Event, person: Person) -> None:
        """The contact as a clerk typed it; known by the firm's switchboard beside perhaps a mobile number."""
        desk, rng = self.desk, self.desk.rng
        identifier = salesforce_id("003", person.person_id)
        before = self.rows["Contact"].get(identifier)
        if before and event.kind == "crm_change":  # in the same export: all else stays as it was typed
            desk.note("salesforce", "contact", identifier, person, event)
            self.rows["Contact"][identifier] = [*before[:3], f"{person.family}-Nordmann", *before[4:-1], utc(event.at)]
            return
        given, family, phenomenon = typed(rng, person.given, person.family)
        if event.kind == "crm_change":
            family = f"{person.family}-Nordmann"
        tags = [phenomenon] if phenomenon else []
        account = person.account
        if account:
            tags.append("switchboard")
        desk.note("salesforce", "contact", identifier, person, event, *tags)
        self.rows["Contact"][identifier] = [
            identifier, salesforce_id("001", account.number) if account else "", given, family,
            ("Einkauf", "Werkstattleitung", "Geschäftsführung")[person.person_id % 3] if account else "", person.email,
            person.mobile if rng.random() < 0.7 else "", account.switchboard if account else person.landline or "",
            person.street, person.city, person.postal_code, "Germany",
            person.birth_date.isoformat() if rng.random() < 0.15 else "", stated(desk, person), AGENTS[person.person_id % 2],
            "false", "false", utc(event.data.get("created", event.at)), utc(event.at),
        ]  # fmt: skip

    def _opportunity(self, event: Event, person: Person) -> None:
        identifier = salesforce_id("006", purchase_number(event))
        contact = salesforce_id("003", person.person_id)
        account = salesforce_id("001", person.account.number) if person.account else ""
        stage, amount = event.data["stage"], event.data["amount"]
        closed = stage.startswith("Closed")
        self.desk.note("salesforce", "opportunity", identifier, person, event)
        self.rows["Opportunity"][identifier] = [
            identifier, account, contact, event.data["product"], stage, amount, _PROBABILITY.get(stage, 10),
            utc(event.at, "%Y-%m-%d") if closed else "", str(closed).lower(), str(stage == "Closed Won").lower(),
            person.campaign.acquisition_source, AGENTS[person.person_id % 2], utc(event.data["opened"]), utc(event.at),
        ]  # fmt: skip
        step = salesforce_id("008", purchase_number(event) * 8 + event.data["place"])
        self.rows["OpportunityHistory"][step] = [step, identifier, stage, amount, utc(event.at)]

    def _order(self, event: Event, person: Person) -> None:
        number = purchase_number(event)
        identifier, contact = salesforce_id("801", number), salesforce_id("003", person.person_id)
        if not person.in_salesforce and event.data["status"] == "Confirmed":
            self._contact(Event("crm", event.at, person, {"tags": ("in_both_crms",)}), person)
        status, amount = event.data["status"], Decimal(event.data["amount"])
        done = event.at if status == "Activated" else None
        self.desk.note("salesforce", "sales_order", identifier, person, event)
        self.desk.book.orders["salesforce", "sales_order", identifier] = Purchase(
            person.person_id, amount, event.data["ordered"].replace(microsecond=0), done, status
        )
        self.rows["Order"][identifier] = [
            identifier, f"{number:08d}", salesforce_id("001", person.account.number) if person.account else "",
            salesforce_id("006", number) if person.account else "", contact, status, utc(event.data["ordered"]),
            utc(done) if done else "", amount, utc(event.data["ordered"]), utc(event.at),
        ]  # fmt: skip
