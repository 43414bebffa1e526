"""HubSpot exports: the app's CSV ("Record ID", "First Name", …) and warehouse copies (`property_…`).

Contact, company, form submission and merge audit → `contact_record`; deal and its stage history →
`opportunity`, `opportunity_stage`; engagements and e-mail events → `interaction`. Files that only
describe (forms, campaigns) hold nobody: their rows are refused as `not_a_contact`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors.base import Batch, Delivery, register
from customer360.connectors.convert import offsets
from customer360.connectors.crm import Builder, Names, chunks, detect, json_consent, shape
from customer360.contracts import TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

_SHAPES: Final = (
    shape("merge_audit", "vid_to_merge", "canonical_vid contact_id"),
    shape("deal_stage", "deal_id", "date_entered _fivetran_start", "value stage deal_stage dealstage"),
    shape("form_submission", "form_id contact_id", "timestamp conversion_date"),
    shape("form", "guid form_type"),
    shape("campaign", "app_id content_id", "subject name"),
    shape("email_event", "recipient type", "created"),
    shape("email_detail", "id browser", "user_agent", "ip_address location"),
    shape("email_bounce", "id category response", "status"),
    shape("meeting", "start_time end_time", "engagement_id id recordid"),
    shape("engagement", "engagement_id type", "hs_timestamp timestamp hs_createdate property_hs_timestamp"),
    shape("engagement", "activity_type", "activity_date", "record_id engagement_id"),
    shape("deal", "", "dealname", "deal_id id record_id"),
    shape("deal", "", "deal_stage", "record_id deal_id"),
    shape("contact", "", "email firstname first_name lastname last_name", "id record_id contact_id vid"),
    shape("company", "", "name company_name", "id record_id company_id"),
)
_CONTACT: Final[dict[str, Names]] = {
    "given_name": ("First Name", "firstname"),
    "family_name": ("Last Name", "lastname"),
    "organisation": ("Company Name", "company", "Associated Company"),
    "job_title": ("Job Title", "jobtitle"),
    "address_line": ("Street Address", "address"),
    "city": ("City",),
    "postal_code": ("Postal Code", "zip"),
    "region": ("State/Region", "state"),
    "country": ("Country/Region", "country"),
    "birth_date": ("Date of birth", "date_of_birth"),
    "owner": ("Contact owner", "hubspot_owner_id", "owner_id"),
    "stated_stage": ("Lifecycle Stage", "lifecyclestage"),
    "acquisition_source": ("Original Source", "Original Traffic Source", "hs_analytics_source"),
    "acquisition_detail": ("Original Source Drill-Down 1", "hs_analytics_source_data_1"),
    "is_deleted": ("is_deleted", "_fivetran_deleted"),
    "created_at": ("Create Date", "createdate", "created_at"),
    "observed_at": (
        "Last Modified Date",
        "lastmodifieddate",
        "hs_lastmodifieddate",
        "_fivetran_synced",
        "Create Date",
        "createdate",
    ),
}
_EMAILS: Final = ("email", "email_1", "Work email", "Additional email addresses")
_PHONES: Final = ("Phone Number", "phone", "Mobile Phone Number", "mobilephone")
_IDS: Final = ("Record ID", "Contact ID", "vid", "id")
_COMPANY_IDS: Final = ("Record ID", "Company ID", "id")
_DEAL_IDS: Final = ("Record ID", "Deal ID", "deal_id", "id")
_CONTACT_LINKS: Final = ("Associated Contact IDs", "associated_contact_ids", "contact_id", "Associated Contact ID")
_COMPANY_LINKS: Final = ("Associated Company IDs", "Associated Company ID", "associatedcompanyid", "company_id")
_WON: Final = r"(?i)won"
_LOST: Final = r"(?i)lost"
# Type of an e-mail event → (direction, class, outcome, touch).
_EMAIL_EVENTS: Final[dict[str, tuple[str, str, str, bool]]] = {
    "OPEN": ("inbound", "person", "opened", False),
    "CLICK": ("inbound", "person", "clicked", True),
    "BOUNCE": ("inbound", "bounce", "bounced", False),
    "UNSUBSCRIBED": ("inbound", "person", "unsubscribed", False),
    "STATUSCHANGE": ("inbound", "person", "status_change", False),
    "SPAMREPORT": ("inbound", "person", "spam_report", False),
    "REPLY": ("inbound", "person", "replied", True),
    "FORWARD": ("inbound", "person", "forwarded", False),
}


@register
class HubSpot:
    """See the module's text."""

    name: ClassVar[str] = "hubspot"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "hubspot"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file. Raises UnreadableFile('unknown_object')."""
        for file in delivery.files:
            for rows in chunks(file, source):
                kind = detect(rows.header, _SHAPES, prefix="property").name
                build = Builder(rows, source, source.system or self.system, prefix="property_")
                _READERS[kind](build)
                yield build.batch()


def _first(build: Builder, *names: str) -> pa.Array:
    """First of ids listed with ';' — the primary association."""
    texts = build.text(*names)
    return pc.replace_substring_regex(texts, r"\s*[;,].*$", "")


def _listed(build: Builder, *names: str) -> tuple[pa.Array, ...]:
    """Ids listed with ';' as columns: the first of each record, the second of each, and so on."""
    lists = [text.split(";") if text else [] for text in build.text(*names).to_pylist()]
    width = max(map(len, lists), default=0)
    return tuple(
        pa.array([each[place].strip() if place < len(each) else None for each in lists], pa.string())
        for place in range(width)
    )


def _contact(build: Builder) -> None:
    ids = build.text(*_IDS)
    columns = build.columns("contact_record", _CONTACT) | {"record_kind": build.constant("contact")}
    columns["account_ref"] = build.reference("company", _first(build, *_COMPANY_LINKS))
    opt_out = ("Unsubscribed from all email", "hs_email_optout")
    if build.has(*opt_out):
        columns["consent"] = json_consent({"email": build.typed(pa.bool_(), *opt_out)})
    build.add("contact_record", ids, columns)
    build.identify("contact", ids, "account_ref", build.reference("contact", ids))
    for name in _EMAILS:
        for values in _listed(build, name):
            build.identify("contact", ids, "email", values)
    for name in _PHONES:
        if build.has(name):
            build.identify("contact", ids, "phone", build.text(name))
    build.identify("contact", ids, "fax", build.text("Fax Number", "fax"))
    for merged in _listed(build, "Merged object IDs", "hs_merged_object_ids", "Merged contact IDs"):
        build.identify("contact", ids, "account_ref", build.reference("contact", merged))


def _company(build: Builder) -> None:
    ids = build.text(*_COMPANY_IDS)
    columns = build.columns("contact_record", {key: names for key, names in _CONTACT.items() if key != "organisation"})
    for personal in ("given_name", "family_name", "job_title", "birth_date"):
        columns.pop(personal, None)
    columns |= {"record_kind": build.constant("account"), "organisation": build.text("Company Name", "Name")}
    build.add("contact_record", ids, columns)
    build.identify("account", ids, "account_ref", build.reference("company", ids))
    build.identify("account", ids, "phone", build.text("Phone Number", "phone"))


def _merge_audit(build: Builder) -> None:
    """A merge ties the id that is gone to the one that stays."""
    gone, stays = build.text("vid_to_merge"), build.text("canonical_vid", "contact_id")
    columns = {
        "record_kind": build.constant("contact"),
        "given_name": build.text("first_name"),
        "family_name": build.text("last_name"),
        "merged_into": stays,
        "is_deleted": build.constant(True),
        "observed_at": build.typed(TIMESTAMP, "timestamp", "_fivetran_synced"),
    }
    merge = pc.binary_join_element_wise("merge", gone, ":")  # not the contact: its own row says more
    build.add("contact_record", merge, columns)
    for ids in (gone, stays):
        build.identify("contact", merge, "account_ref", build.reference("contact", ids))


def _form_submission(build: Builder) -> None:
    contact = build.text("contact_id")
    submitted = build.typed(TIMESTAMP, "timestamp", "Conversion Date")
    made = pc.binary_join_element_wise(build.text("form_id"), contact, submitted.cast(pa.string()), "|")
    ids = pc.coalesce(build.text("conversion_id"), made)
    build.add(
        "interaction",
        ids,
        _interaction(build, submitted, "web", "form", "inbound")
        | {
            "subject": build.text("title"),
            "page_path": build.text("page_url"),
        },
    )
    build.identify("interaction", ids, "account_ref", build.reference("contact", contact))


def _nobody(build: Builder) -> None:
    build.refuse(np.ones(len(build.rows), np.bool_), "not_a_contact")


def _deal(build: Builder) -> None:
    ids = build.text(*_DEAL_IDS)
    columns = build.columns(
        "opportunity",
        {
            "name": ("Deal Name", "dealname"),
            "stage": ("Deal Stage", "dealstage", "deal_pipeline_stage_id"),
            "amount": ("Amount",),
            "currency": ("Currency", "deal_currency_code"),
            "owner": ("Deal owner", "hubspot_owner_id", "owner_id"),
            "acquisition_source": ("Original Source Type", "hs_analytics_source"),
            "is_deleted": ("is_deleted",),
            "created_at": ("Create Date", "createdate"),
            "closed_at": ("Close Date", "closedate"),
            "observed_at": (
                "Last Modified Date",
                "hs_lastmodifieddate",
                "_fivetran_synced",
                "Create Date",
                "createdate",
            ),
        },
    )
    stage = columns.get("stage", pa.nulls(len(build.rows), pa.string())).fill_null("")
    won = pc.coalesce(
        build.typed(pa.bool_(), "Is Closed Won", "hs_is_closed_won"), pc.match_substring_regex(stage, _WON)
    )
    lost = pc.match_substring_regex(stage, _LOST)
    columns["is_won"] = won
    columns["is_closed"] = pc.coalesce(build.typed(pa.bool_(), "Is Deal Closed?", "hs_is_closed"), pc.or_(won, lost))
    columns["contact_ref"] = build.reference("contact", _first(build, *_CONTACT_LINKS))
    columns["account_ref"] = build.reference("company", _first(build, *_COMPANY_LINKS))
    columns.setdefault("currency", build.constant(build.source.currency).cast(pa.string()))
    build.add("opportunity", ids, columns)
    build.identify("opportunity", ids, "account_ref", columns["contact_ref"])


def _deal_stage(build: Builder) -> None:
    deal = build.text("deal_id")
    entered = build.typed(TIMESTAMP, "date_entered", "_fivetran_start")
    stage = build.text("value", "stage", "Deal Stage", "dealstage")
    ids = pc.binary_join_element_wise(deal, stage, entered.cast(pa.string()), "|")
    columns = {"opportunity_ref": deal, "stage": stage, "entered_at": entered, "observed_at": entered}
    build.add("opportunity_stage", ids, columns)


def _interaction(build: Builder, at: pa.Array, channel: str, event: str, direction: str) -> dict[str, pa.Array]:
    return {
        "channel": build.constant(channel),
        "direction": build.constant(direction),
        "occurred_at": at,
        "utc_offset_minutes": offsets(at, build.source),
        "event_name": build.constant(event),
        "interaction_class": build.constant("person"),
        "is_touch": build.constant(direction == "inbound"),
    }


def _meeting(build: Builder) -> None:
    ids = build.text("engagement_id", "Record ID", "id")
    start, end = build.typed(TIMESTAMP, "start_time"), build.typed(TIMESTAMP, "end_time")
    seconds = pc.divide(pc.subtract(end.cast(pa.int64()), start.cast(pa.int64())), 1_000_000)
    build.add(
        "interaction",
        ids,
        _interaction(build, start, "in_person", "meeting", "inbound")
        | {
            "subject": build.text("title"),
            "outcome": build.text("meeting_outcome"),
            "duration_s": seconds.cast(pa.int32(), safe=False),
        },
    )
    build.identify("interaction", ids, "account_ref", build.reference("contact", _first(build, *_CONTACT_LINKS)))


_ENGAGEMENTS: Final = {
    "CALL": "phone",
    "EMAIL": "email",
    "INCOMING_EMAIL": "email",
    "MEETING": "in_person",
    "SMS": "sms",
}


def _engagement(build: Builder) -> None:
    ids = build.text("engagement_id", "Record ID")
    kinds = pc.utf8_upper(build.text("type", "Activity type"))
    channels = [_ENGAGEMENTS.get(kind or "") for kind in kinds.to_pylist()]
    channel = pa.array(channels, pa.string())
    build.refuse(channel.is_null().to_numpy(zero_copy_only=False), "not_a_contact", "type")
    at = build.typed(TIMESTAMP, "hs_timestamp", "timestamp", "Activity date", "hs_createdate")
    inbound = pc.or_(
        pc.is_in(kinds, pa.array(["INCOMING_EMAIL", "MEETING"])),
        pc.equal(
            pc.utf8_lower(build.text("hs_call_direction", "direction").cast(pa.string())).fill_null(""), "inbound"
        ),
    ).fill_null(False)
    columns = _interaction(build, at, "phone", "engagement", "outbound")
    columns |= {
        "channel": channel,
        "direction": pc.if_else(inbound, "inbound", "outbound"),
        "is_touch": inbound,
        "subject": build.text("hs_call_title", "hs_email_subject", "title"),
    }
    build.add("interaction", ids, columns)
    build.identify("interaction", ids, "account_ref", build.reference("contact", _first(build, *_CONTACT_LINKS)))


def _email_event(build: Builder) -> None:
    ids = build.text("id")
    kinds = [
        _EMAIL_EVENTS.get((kind or "").upper(), ("outbound", "bulk", (kind or "unknown").lower(), False))
        for kind in build.text("type").to_pylist()
    ]
    filtered = build.typed(pa.bool_(), "filtered_event").fill_null(False)
    columns = _interaction(build, build.typed(TIMESTAMP, "created"), "email", "email_event", "outbound")
    direction, kind, outcome, touch = (pa.array(list(column)) for column in zip(*kinds, strict=True))
    columns |= {
        "direction": direction,
        "interaction_class": pc.if_else(filtered, "bot", kind),
        "outcome": outcome,
        "is_touch": pc.and_(touch, pc.invert(filtered)),
        "utm_campaign": build.text("email_campaign_id"),
        "utm_source": build.constant("hubspot"),
        "utm_medium": build.constant("email"),
    }
    build.add("interaction", ids, columns)
    build.identify("interaction", ids, "email", build.text("recipient"))


_READERS: Final[dict[str, Callable[[Builder], None]]] = {
    "campaign": _nobody,
    "company": _company,
    "contact": _contact,
    "deal": _deal,
    "deal_stage": _deal_stage,
    "email_bounce": _nobody,
    "email_detail": _nobody,
    "email_event": _email_event,
    "engagement": _engagement,
    "form": _nobody,
    "form_submission": _form_submission,
    "meeting": _meeting,
    "merge_audit": _merge_audit,
}
