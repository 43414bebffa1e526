"""HubSpot exports: the app's CSV ("Record ID", "First Name", …) and warehouse copies (`property_…`).

Contact, company and merge audit → `contact_record`; deal and its stage history → `opportunity`,
`opportunity_stage`; form submissions, engagements and e-mail events → `interaction`. Files that only
describe (forms, campaigns) hold nobody: their rows are refused as `not_a_contact`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from customer360.connectors import hubspot_fields as names
from customer360.connectors.base import Batch, Delivery, register
from customer360.connectors.convert import join_texts, offsets
from customer360.connectors.crm import Builder, chunks, content_ids, detect, json_consent, json_text
from customer360.connectors.web import Page, campaign_value, each, pages
from customer360.contracts import MONEY, TIMESTAMP

if TYPE_CHECKING:
    from customer360.sources import OwnIdentities, Source

_NONE: Final = pa.scalar(None, pa.string())
_LIST: Final = r"\s*[;,]\s*"


@register
class HubSpot:
    """See the module's text."""

    name: ClassVar[str] = "hubspot"
    unit: ClassVar[str] = "file"
    system: ClassVar[str] = "hubspot"
    options: ClassVar[frozenset[str]] = frozenset()

    def read(self, delivery: Delivery, source: Source, own: OwnIdentities) -> Iterator[Batch]:
        """One Batch per stretch of each file.

        Refused: missing_id, missing_value, bad_value (with the column), not_a_contact, and what reading
        text refuses. Raises UnreadableFile('unknown_object').
        """
        for file in delivery.files:
            for rows in chunks(file, source):
                kind = detect(rows.header, names.SHAPES, prefix="property").name
                build = Builder(rows, source, source.system or self.system, prefix=names.PREFIX)
                _READERS[kind](build)
                yield build.batch()


def _first(build: Builder, *aliases: str) -> pa.Array:
    """First of ids listed with ';' — the primary association."""
    return pc.replace_substring_regex(build.text(*aliases), r"\s*[;,].*$", "")


def _ids(build: Builder, kind: str) -> pa.Array:
    aliases = names.IDS[kind]
    return build.text(*aliases) if build.has(*aliases) else content_ids(build.rows)


def _identify_ways(build: Builder, record_kind: str, ids: pa.Array) -> None:
    """Every address and number; those of other people on a deal or meeting are not in its columns."""
    for identifier_type, aliases in names.WAYS.items():
        for name in aliases:
            if build.has(name):
                values, index = build.each_of(r"\s*;\s*", name)
                build.identify(record_kind, ids, identifier_type, values, index=index)


def _identify_contact(build: Builder, record_kind: str, ids: pa.Array) -> pa.Array:
    """By the primary contact: more of them are more people. Returns the references."""
    reference = build.reference("contact", _first(build, *names.CONTACT_LINKS))
    build.identify(record_kind, ids, "account_ref", reference)
    return reference


def _company_reference(build: Builder) -> pa.Array:
    return build.reference("company", _first(build, *names.COMPANY_LINKS))


# People and organisations -----------------------------------------------------------------------------


def _contact(build: Builder) -> None:
    ids = _ids(build, "contact")
    columns = build.columns("contact_record", names.CONTACT) | {"record_kind": build.constant("contact")}
    columns["account_ref"] = _company_reference(build)
    if build.has(*names.OPT_OUT):
        columns["consent"] = json_consent({"email": build.typed(pa.bool_(), *names.OPT_OUT)})
    if build.has(*names.BUYING_ROLE):
        columns["attributes"] = json_text("buying_role", build.text(*names.BUYING_ROLE))
    build.add("contact_record", ids, columns)
    build.identify("contact", ids, "account_ref", build.reference("contact", ids))
    _identify_ways(build, "contact", ids)
    for name in names.MERGED:
        if build.has(name):
            merged, index = build.each_of(_LIST, name)
            merged = pc.replace_substring_regex(merged, ":.*$", "")  # id:time of the merge
            reference = pc.binary_join_element_wise(f"{build.system}:contact", merged, ":")
            build.identify("contact", ids, "account_ref", reference, index=index)


def _company(build: Builder) -> None:
    ids = _ids(build, "company")
    organisational = {key: aliases for key, aliases in names.CONTACT.items() if key not in names.PERSONAL}
    columns = build.columns("contact_record", organisational)
    columns |= {"record_kind": build.constant("account"), "organisation": build.text("Company Name", "Name")}
    build.add("contact_record", ids, columns)
    build.identify("account", ids, "account_ref", build.reference("company", ids))
    _identify_ways(build, "account", ids)


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


def _nobody(build: Builder) -> None:
    build.refuse(np.ones(len(build.rows), np.bool_), "not_a_contact")


# Deals ------------------------------------------------------------------------------------------------


def _deal(build: Builder) -> None:
    ids = _ids(build, "deal")
    columns = build.columns("opportunity", names.DEAL)
    stage = columns.get("stage", pa.nulls(len(build.rows), pa.string())).fill_null("")
    won = build.typed(pa.bool_(), "Is Closed Won", "hs_is_closed_won")
    columns["is_won"] = pc.coalesce(won, pc.match_substring_regex(stage, names.WON))
    ended = pc.or_(columns["is_won"], pc.match_substring_regex(stage, names.LOST))
    columns["is_closed"] = pc.coalesce(build.typed(pa.bool_(), "Is Deal Closed?", "Is Closed", "hs_is_closed"), ended)
    columns["probability"] = _percent(build.typed(MONEY, "Deal probability", "hs_deal_stage_probability"))
    columns["contact_ref"] = _identify_contact(build, "opportunity", ids)
    columns["account_ref"] = _company_reference(build)
    usual = build.constant(build.source.currency).cast(pa.string())
    columns["currency"] = pc.coalesce(build.text("Currency", "deal_currency_code"), usual)
    build.add("opportunity", ids, columns)


def _percent(share: pa.Array) -> pa.Array:
    """HubSpot's probabilities are shares of 1; other figures are not probabilities: null."""
    percent = pc.multiply(share.cast(pa.float64()), 100.0)
    inside = pc.and_(pc.greater_equal(percent, 0), pc.less_equal(percent, 100))
    return pc.if_else(inside, percent, pa.scalar(None, pa.float64())).cast(pa.decimal128(7, 4), safe=False)


def _deal_stage(build: Builder) -> None:
    deal = build.text("deal_id")
    entered = build.typed(TIMESTAMP, "date_entered", "_fivetran_start")
    stage = build.text("value", "stage", "Deal Stage", "dealstage")
    ids = pc.binary_join_element_wise(deal, stage, entered.cast(pa.string()), "|")
    columns = {"opportunity_ref": deal, "stage": stage, "entered_at": entered, "observed_at": entered}
    for column, name in (("deal_id", deal), ("stage", stage), ("date_entered", entered)):
        build.refuse(name.is_null().to_numpy(zero_copy_only=False), "missing_value", build.called(column))
    build.add("opportunity_stage", ids, columns)


# Contacts with people ---------------------------------------------------------------------------------


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


def _form_submission(build: Builder) -> None:
    contact = build.text("contact_id")
    submitted = build.typed(TIMESTAMP, "timestamp", "Conversion Date", "submitted_at")
    made = pc.binary_join_element_wise(build.text("form_id"), contact, submitted.cast(pa.string()), "|")
    ids = pc.coalesce(build.text("conversion_id"), made, content_ids(build.rows))
    found = pages(build.text("page_url", "Conversion Page"))
    columns = _interaction(build, submitted, "web", "form", "inbound")
    columns |= {"subject": build.text("title", "Conversion Title", "Form Name"), "page_path": found["path"]}
    columns |= {name: found[name] for name in Page._fields[2:]}
    given = join_texts([build.text("First Name", "firstname"), build.text("Last Name", "lastname")], " ")
    columns["name_hint"] = given
    build.add("interaction", ids, columns)
    build.identify("interaction", ids, "account_ref", build.reference("contact", contact))
    _identify_ways(build, "interaction", ids)


def _meeting(build: Builder) -> None:
    ids = _ids(build, "engagement")
    start = build.typed(TIMESTAMP, "start_time", "hs_meeting_start_time", "hs_timestamp")
    end = build.typed(TIMESTAMP, "end_time", "hs_meeting_end_time")
    seconds = pc.divide(pc.subtract(end.cast(pa.int64()), start.cast(pa.int64())), 1_000_000)
    sane = pc.and_(pc.greater_equal(seconds, 0), pc.less(seconds, 2**31))
    outcome = build.text("meeting_outcome", "hs_meeting_outcome")
    missed = pc.match_substring_regex(pc.utf8_upper(outcome), "^(?:CANCELED|CANCELLED|NO_SHOW|RESCHEDULED)$")
    held = pc.invert(missed.fill_null(False))
    columns = _interaction(build, start, "in_person", "meeting", "inbound")
    columns |= {
        "subject": build.text("title", "hs_meeting_title"),
        "outcome": outcome,
        "duration_s": pc.if_else(sane, seconds, pa.scalar(None, pa.int64())).cast(pa.int32()),
        "interaction_class": pc.if_else(held, "person", "internal"),
        "is_touch": held,
    }
    build.add("interaction", ids, columns)
    _identify_contact(build, "interaction", ids)


def _engagement(build: Builder) -> None:
    ids = _ids(build, "engagement")
    kinds = _engagement_kinds(build)
    channel = each(kinds, lambda kind: names.ENGAGEMENTS.get(kind, (None, None))[0])
    told = build.called("type", "activity_type", "hs_call_direction", "hs_email_direction")
    build.refuse(channel.is_null().to_numpy(zero_copy_only=False), "not_a_contact", told)
    at = build.typed(TIMESTAMP, "hs_timestamp", "timestamp", "Activity date", "hs_createdate", "created_at")
    told_direction = pc.utf8_lower(build.text("hs_call_direction", "hs_email_direction", "direction"))
    coming = pc.match_substring(told_direction, "in").fill_null(False)  # INBOUND, INCOMING_EMAIL
    inbound = pc.or_(pc.is_in(kinds, pa.array(["INCOMING_EMAIL", "MEETING"])), coming).fill_null(False)
    milliseconds = build.typed(MONEY, "hs_call_duration")
    columns = _interaction(build, at, "phone", "engagement", "outbound")
    columns |= {
        "channel": channel,
        "event_name": each(kinds, lambda kind: names.ENGAGEMENTS.get(kind, (None, "engagement"))[1]),
        "direction": pc.if_else(inbound, "inbound", "outbound"),
        "is_touch": inbound,
        "subject": build.text("hs_call_title", "hs_email_subject", "title", "Activity title", "subject"),
        "outcome": pc.utf8_lower(build.text("hs_call_status", "hs_email_status", "status")),
        "duration_s": pc.divide(milliseconds.cast(pa.float64()), 1000.0).cast(pa.int32(), safe=False),
    }
    build.add("interaction", ids, columns)
    _identify_contact(build, "interaction", ids)
    for identifier_type, theirs, ours in (
        ("phone", "hs_call_from_number", "hs_call_to_number"),
        ("email", "hs_email_from_email", "hs_email_to_email"),
    ):
        values = pc.if_else(inbound, build.text(theirs), build.text(ours))
        build.identify("interaction", ids, identifier_type, pc.replace_substring_regex(values, r"\s*;.*$", ""))


def _engagement_kinds(build: Builder) -> pa.Array:
    """CALL, EMAIL, …: as stated, else by the columns only one kind has."""
    stated = pc.replace_substring(pc.utf8_upper(build.text("type", "Activity type")), " ", "_")
    by_columns = _NONE
    if build.has("hs_call_direction"):
        by_columns = pa.scalar("CALL")
    elif build.has("hs_email_direction"):
        by_columns = pa.scalar("EMAIL")
    return pc.coalesce(stated, by_columns)


def _email_event(build: Builder) -> None:
    """What was sent is bulk; a click is a touch; an opening by a program is a bot's, and flagged."""
    ids = build.text("id")
    types = pc.utf8_upper(build.text("type"))
    others = ("outbound", "bulk", None, False)
    told = [names.EMAIL_EVENTS.get(kind or "", others) for kind in types.to_pylist()]
    direction, kind, outcome, touch = (list(column) for column in zip(*told, strict=True))
    created = build.typed(TIMESTAMP, "created")
    machine = _opened_by_machine(build, types, created)
    bot = pc.or_(build.typed(pa.bool_(), "filtered_event").fill_null(False), machine)
    found = pages(build.text("url"))
    columns = _interaction(build, created, "email", "email_event", "outbound")
    columns |= {
        "direction": pa.array(direction),
        "interaction_class": pc.if_else(bot, "bot", pa.array(kind)),
        "outcome": pc.coalesce(pa.array(outcome, pa.string()), pc.utf8_lower(types)),
        "is_touch": pc.and_(pa.array(touch), pc.invert(bot)),
        "utm_campaign": pc.coalesce(
            found["utm_campaign"], each(build.text("email_campaign_id", "emailCampaignId"), campaign_value)
        ),
        "utm_source": build.constant("hubspot"),
        "utm_medium": build.constant("email"),
        "page_path": found["path"],
        "user_agent": build.text("user_agent"),
        "flags": pc.if_else(machine, "machine_open", _NONE),
    }
    build.add("interaction", ids, columns)
    build.identify("interaction", ids, "email", build.text("recipient"))


def _opened_by_machine(build: Builder, types: pa.Array, created: pa.Array) -> pa.Array:
    """Openings by a mail program's own fetching: told by the user agent, or within seconds of sending."""
    sent = build.typed(TIMESTAMP, "sent_by_created")
    micros = pc.subtract(created.cast(pa.int64()), sent.cast(pa.int64()))
    at_once = pc.less(micros, names.MACHINE_SECONDS * 1_000_000).fill_null(False)
    program = pc.match_substring_regex(join_texts([build.text("user_agent"), build.text("browser")], " "),
                                       names.MACHINE_AGENTS).fill_null(False)  # fmt: skip
    return pc.and_(pc.equal(types, "OPEN").fill_null(False), pc.or_(at_once, program))


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
