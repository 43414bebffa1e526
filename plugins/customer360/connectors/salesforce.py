"""Salesforce exports: Data Loader CSV (API names), warehouse copies (snake_case) and reports (labels).

Contact, account, lead → `contact_record`; opportunity and its history → `opportunity`,
`opportunity_stage`; order → `sales_order`; event and task → `interaction`. Ids of 15 characters are
brought to 18 by Salesforce's checksum, so that reports and exports meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.base import Batch, Delivery, register
from customer360.connectors.convert import join_texts, offsets
from customer360.connectors.crm import Builder, Names, chunks, detect, json_consent, shape
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPES: Final = (
    shape("field_history", "OpportunityId Field NewValue"),
    shape("stage_history", "OpportunityId StageName", "CreatedDate SystemModstamp"),
    shape("stage_snapshot", "_fivetran_start StageName", "Id OpportunityId"),
    shape("opportunity", "StageName", "Id OpportunityId", "CloseDate Amount Name OpportunityName"),
    shape("lead", "Company", "LastName Name", "Id LeadId", never="AccountName Subject"),
    shape("lead", "IsConverted", "LastName Name Email", "Id LeadId"),
    shape("order", "Status", "OrderNumber EffectiveDate OrderStartDate", "Id OrderId", never="Subject"),
    shape("event", "Subject", "StartDateTime ActivityDateTime EndDateTime"),
    shape("task", "Subject", "ActivityDate CreatedDate", "Status Priority TaskSubtype CallType"),
    shape("contact", "", "LastName FirstName Email", "Id ContactId", "AccountId Email MailingCity AccountName"),
    shape("account", "", "Name AccountName", "Id AccountId"),
)
_ID_NAMES: Final[dict[str, Names]] = {
    "contact": ("Contact ID", "Id", "Contact ID (18)"),
    "lead": ("Lead ID", "Id"),
    "account": ("Account ID", "Id"),
    "opportunity": ("Opportunity ID", "Id"),
    "order": ("Order ID", "Id"),
}
_PERSON: Final[dict[str, Names]] = {
    "given_name": ("FirstName",),
    "family_name": ("LastName",),
    "full_name": ("Name", "FullName"),
    "organisation": ("Company", "AccountName", "Account.Name"),
    "job_title": ("Title",),
    "address_line": ("MailingStreet", "Street", "BillingStreet"),
    "city": ("MailingCity", "City", "BillingCity"),
    "postal_code": ("MailingPostalCode", "PostalCode", "BillingPostalCode", "MailingZip"),
    "region": ("MailingState", "State", "BillingState"),
    "country": (
        "MailingCountryCode",
        "MailingCountry",
        "CountryCode",
        "Country",
        "BillingCountryCode",
        "BillingCountry",
    ),
    "birth_date": ("Birthdate",),
    "owner": ("OwnerId",),
    "stated_stage": ("Status", "ContactStatus__c"),
    "acquisition_source": ("LeadSource", "AccountSource"),
    "acquisition_detail": ("LeadSourceDetail__c", "lead_source_detail_c"),
    "is_deleted": ("IsDeleted",),
    "created_at": ("CreatedDate",),
    "observed_at": ("LastModifiedDate", "SystemModstamp", "_fivetran_synced", "CreatedDate"),
}
_PHONES: Final = ("Phone", "MobilePhone", "HomePhone", "OtherPhone")
_EMAILS: Final = ("Email", "SecondaryEmail__c", "secondary_email_c")
_OPT_OUT: Final = {"email": "HasOptedOutOfEmail", "fax": "HasOptedOutOfFax", "phone": "DoNotCall"}


def id18(ids: pa.Array) -> pa.Array:
    """15-character ids with their 3-character checksum; others unchanged. Each distinct id once.

    Every 5 characters make one checksum letter: the bits say which of them are capital letters.
    """
    encoded = ids.dictionary_encode()
    known = [_id18(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(encoded.indices)


def _id18(text: str) -> str:
    if len(text) != 15 or not text.isalnum() or not text.isascii():
        return text
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(_ALPHABET[sum(char.isupper() << place for place, char in enumerate(part))] for part in parts)


@register
class Salesforce:
    """See the module's text."""

    name: ClassVar[str] = "salesforce"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "salesforce"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file. Raises UnreadableFile('unknown_object')."""
        for file in delivery.files:
            for rows in chunks(file, source):
                kind = detect(rows.header, _SHAPES).name
                build = Builder(rows, source, source.system or self.system)
                _refuse_footers(build)
                _READERS[kind](build)
                yield build.batch()


def _refuse_footers(build: Builder) -> None:
    """A report ends in lines such as 'Grand Totals'; they have one filled cell and no id."""
    rows, width = build.rows, len(build.rows.header)
    if width < 3 or not len(rows):
        return
    filled = np.array([cell != "" for cell in rows.cells], np.bool_).reshape(-1, width).sum(axis=1)
    build.refuse(filled == 1, "report_footer")


def _ids(build: Builder, kind: str) -> pa.Array:
    return id18(build.text(*_ID_NAMES[kind]))


def _reference(build: Builder, kind: str, *names: str) -> pa.Array:
    return build.reference(kind, id18(build.text(*names)))


def _person(kind: str) -> Callable[[Builder], None]:
    def read(build: Builder) -> None:
        ids = _ids(build, kind)
        columns = build.columns("contact_record", _PERSON) | {"record_kind": build.constant(kind)}
        if kind == "account":
            columns["organisation"] = build.text("AccountName", "Name")
            columns.pop("full_name", None)
        if kind == "contact":
            columns["account_ref"] = _reference(build, "account", "AccountId")
        columns["merged_into"] = id18(build.text("MasterRecordId"))
        columns["consent"] = (
            json_consent(
                {channel: build.typed(pa.bool_(), name) for channel, name in _OPT_OUT.items() if build.has(name)}
            )
            if any(build.has(name) for name in _OPT_OUT.values())
            else pa.nulls(len(build.rows), pa.string())
        )
        build.add("contact_record", ids, columns)
        build.identify(kind, ids, "account_ref", build.reference(kind, ids))
        for name in _EMAILS:
            if build.has(name):
                build.identify(kind, ids, "email", build.text(name))
        for name in _PHONES:
            if build.has(name):
                build.identify(kind, ids, "phone", build.text(name))
        build.identify(kind, ids, "fax", build.text("Fax"))
        if kind == "lead":  # a converted lead is the contact it became
            build.identify(kind, ids, "account_ref", _reference(build, "contact", "ConvertedContactId"))

    return read


def _opportunity(build: Builder) -> None:
    ids = _ids(build, "opportunity")
    columns = build.columns(
        "opportunity",
        {
            "name": ("OpportunityName", "Name"),
            "stage": ("StageName", "Stage"),
            "amount": ("Amount",),
            "currency": ("CurrencyIsoCode", "AmountCurrency"),
            "is_closed": ("IsClosed", "Closed"),
            "is_won": ("IsWon", "Won"),
            "owner": ("OwnerId",),
            "acquisition_source": ("LeadSource",),
            "is_deleted": ("IsDeleted",),
            "created_at": ("CreatedDate",),
            "closed_at": ("CloseDate",),
            "observed_at": ("LastModifiedDate", "SystemModstamp", "_fivetran_synced", "CreatedDate"),
        },
    )
    columns["probability"] = _probability(build)
    columns["contact_ref"] = _reference(build, "contact", "ContactId")
    columns["account_ref"] = _reference(build, "account", "AccountId")
    columns.setdefault("currency", build.constant(build.source.currency).cast(pa.string()))
    build.add("opportunity", ids, columns)
    build.identify("opportunity", ids, "account_ref", columns["contact_ref"])


def _probability(build: Builder) -> pa.Array:
    """Percent; figures outside 0–100 (obfuscated exports have them) are not probabilities: null."""
    figure = build.typed(pa.decimal128(18, 6), "Probability")
    inside = pc.and_(pc.greater_equal(figure, 0), pc.less_equal(figure, 100))
    return pc.if_else(inside, figure, pa.scalar(None, figure.type)).cast(pa.decimal128(7, 4), safe=False)


def _stages(stage: Names, entered: Names, reference: Names) -> Callable[[Builder], None]:
    def read(build: Builder) -> None:
        opportunity = id18(build.text(*reference))
        at = build.typed(TIMESTAMP, *entered)
        where = None
        if build.has("NewValue"):
            where = pc.equal(pc.utf8_lower(build.text("Field")), "stagename")
            build.refuse(~where.fill_null(False).to_numpy(zero_copy_only=False), "not_a_stage", "Field")
        ids = build.text("Id") if not build.has("_fivetran_start") else pa.nulls(len(build.rows), pa.string())
        made = pc.binary_join_element_wise(opportunity, build.text(*stage), at.cast(pa.string()), "|")
        columns = {
            "opportunity_ref": opportunity,
            "stage": build.text(*stage),
            "amount": build.typed(pa.decimal128(18, 6), "Amount"),
            "entered_at": at,
            "observed_at": at,
        }
        build.add("opportunity_stage", pc.coalesce(ids, made), columns, where)

    return read


def _order(build: Builder) -> None:
    ids = _ids(build, "order")
    status = build.text("Status")
    ordered = pc.coalesce(
        build.typed(TIMESTAMP, "EffectiveDate", "OrderStartDate"), build.typed(TIMESTAMP, "CreatedDate", "OrderDate")
    )
    activated = pc.is_in(
        pc.utf8_lower(build.text("StatusCode", "Status")), pa.array(["activated", "completed", "delivered"])
    )
    delivered = pc.coalesce(build.typed(TIMESTAMP, "ActivatedDate"), ordered)
    columns = {
        "contact_ref": _reference(build, "contact", "BillToContactId", "ContactId", "CustomerAuthorizedById"),
        "account_ref": _reference(build, "account", "AccountId"),
        "opportunity_ref": id18(build.text("OpportunityId")),
        "status": status,
        "amount": build.typed(pa.decimal128(18, 6), "TotalAmount", "OrderAmount", "Amount"),
        "currency": pc.coalesce(build.text("CurrencyIsoCode"), build.constant(build.source.currency).cast(pa.string())),
        "ordered_at": ordered,
        "delivered_at": pc.if_else(activated, delivered, pa.scalar(None, TIMESTAMP)),
        "is_deleted": build.typed(pa.bool_(), "IsDeleted"),
        "observed_at": build.typed(TIMESTAMP, "LastModifiedDate", "SystemModstamp", "_fivetran_synced", "CreatedDate"),
    }
    build.add("sales_order", ids, columns)
    build.identify("sales_order", ids, "account_ref", columns["contact_ref"])


_CHANNEL_WORDS: Final = (
    ("call", "phone"),
    ("phone", "phone"),
    ("email", "email"),
    ("mail", "email"),
    ("sms", "sms"),
    ("text", "sms"),
)


def _activity(at: Names, fallback: str) -> Callable[[Builder], None]:
    """Events (meetings unless their type says otherwise) and tasks. What is still planned is internal."""

    def read(build: Builder) -> None:
        ids = build.text("Id", "Activity ID")
        kinds = join_texts([build.text("Type"), build.text("TaskSubtype", "EventSubtype")], " ")
        channel = _channel(pc.utf8_lower(kinds), fallback)
        inbound = pc.match_substring(pc.utf8_lower(build.text("CallType")).fill_null(""), "inbound")
        planned = pc.invert(build.typed(pa.bool_(), "IsClosed").fill_null(True))
        if build.has("Status"):
            planned = pc.or_(planned, pc.is_in(pc.utf8_lower(build.text("Status")), pa.array(["not started", "open"])))
        meeting = pc.equal(channel, "in_person")
        occurred = build.typed(TIMESTAMP, *at)
        columns = {
            "channel": channel,
            "direction": pc.if_else(planned, "internal", pc.if_else(pc.or_(inbound, meeting), "inbound", "outbound")),
            "occurred_at": occurred,
            "utc_offset_minutes": offsets(occurred, build.source),
            "event_name": pc.if_else(meeting, "meeting", "activity"),
            "company_side": build.text("OwnerId"),
            "subject": build.text("Subject"),
            "duration_s": build.typed(pa.int32(), "CallDurationInSeconds"),
            "outcome": pc.coalesce(build.text("CallDisposition"), build.text("Status")),
            "interaction_class": pc.if_else(planned, "internal", "person"),
            "is_touch": pc.and_(pc.or_(inbound, meeting), pc.invert(planned)),
        }
        build.add("interaction", ids, columns)
        who = id18(build.text("WhoId", "ContactId"))
        is_lead = pc.starts_with(who.fill_null(""), "00Q")
        for kind, where in (("contact", pc.invert(is_lead)), ("lead", is_lead)):
            chosen = pc.if_else(where, who, pa.scalar(None, pa.string()))
            build.identify("interaction", ids, "account_ref", build.reference(kind, chosen))

    return read


def _channel(words: pa.Array, fallback: str) -> pa.Array:
    channel = pa.repeat(pa.scalar(fallback), len(words))
    for word, name in reversed(_CHANNEL_WORDS):
        channel = pc.if_else(pc.match_substring(words.fill_null(""), word), name, channel)
    return channel


_READERS: Final[dict[str, Callable[[Builder], None]]] = {
    "contact": _person("contact"),
    "lead": _person("lead"),
    "account": _person("account"),
    "opportunity": _opportunity,
    "stage_history": _stages(("StageName",), ("CreatedDate", "SystemModstamp"), ("OpportunityId",)),
    "stage_snapshot": _stages(("StageName",), ("_fivetran_start",), ("OpportunityId", "Id")),
    "field_history": _stages(("NewValue",), ("CreatedDate",), ("OpportunityId",)),
    "order": _order,
    "event": _activity(("StartDateTime", "ActivityDateTime", "ActivityDate", "CreatedDate"), "in_person"),
    "task": _activity(("CompletedDateTime", "ActivityDate", "CreatedDate"), "phone"),
}
